"""What the columns of a table become: features, one class for each kind in a file of its own.

A `Column` says how cells are read, a `Part` which features follow from one column or from several. It imports pyarrow, and so
is imported in functions alone.
"""
