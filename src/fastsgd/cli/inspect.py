"""`fastsgd inspect`, and how `train` looks at the columns before it reads them."""

from fastsgd.cli.data import READING, Data, is_table, open_source
from fastsgd.cli.flags import OUTPUT
from fastsgd.cli.options import Json, flag, with_flags

TRAIN_ROWS = 10_000  # `train` looks at so many rows.
MAX_NAMED = 5  # A note names this many columns.
MANY_NUMBERS = 100  # More numbers than these are seldom classes.


@with_flags("reading", READING)
def inspect(
    data: Data,
    rows: flag(int, "How many rows to look at; 100000 by default, 0 for all.", OUTPUT, metavar="N") = None,
    as_json: Json = False,
    *,
    reading,
):
    """Show what is in each column of a table: its kind, its nulls, an example, and what training makes of it."""
    from fastsgd.cli.show import ERR, OUT, as_text, table
    from fastsgd.cli.words import in_flags
    from fastsgd.sources.column_survey import HEAD, SURVEY_ROWS

    rows = None if rows == 0 else SURVEY_ROWS if rows is None else rows
    if rows is not None and rows < 0:
        raise ValueError(f"--rows must be a number of rows, or 0 for all, got {rows}.")
    found, refused, filled = _survey(data, reading, rows)
    if as_json:
        seen = {"rows": found.n_rows, "all_rows": found.whole, "columns": found.as_dicts()}
        print(as_text(seen | {"error": None if refused is None else in_flags(str(refused))}))
        return
    table(found.title, HEAD, found.cells(), left=(0, 1, 4, 5))
    if filled:
        OUT.print(_said_of_nulls(filled), markup=False)
    for note in found.notes():
        OUT.print(f"note: {in_flags(note)}", markup=False)
    if refused is not None:
        ERR.print("Training refuses these data:", markup=False)
        raise refused


def _survey(data, reading, rows):
    """(the survey, the error with which training would refuse the data or None, the columns whose nulls are filled)."""
    from fastsgd.sources.tables import TabularSource

    try:
        source = open_source(data, reading, labelled=False)
    except ValueError as error:
        found = _survey_of_cells(data, reading, rows)
        if found is None:
            raise
        return found, error, []
    if not isinstance(source, TabularSource):
        raise ValueError("inspect shows the columns of tables: Parquet, Arrow and CSV files.")
    found = source.survey_columns(rows)
    filled = _nulls(source, found, reading)
    if filled:
        source = open_source(data, _with_means(reading), labelled=False)
        found = source.survey_columns(rows)
    return found, source.odd, filled


def _nulls(source, found, reading):
    """The columns whose nulls are filled as nobody says what stands for them, with the share of their rows."""
    if "fill_null" in reading:
        return []
    return [
        f"{c.name} ({c.nulls:.3g} of the rows)"
        for c in found
        if c.role == "feature" and c.nulls and source.columns.refuses_nulls(c.name)
    ]


def _with_means(reading):
    """How data are read where nulls of numbers are filled."""
    return {"null_indicator": True} | reading | {"fill_null": ["mean"]}


def _said_of_nulls(filled):
    more = f" and {len(filled) - MAX_NAMED} others" * (len(filled) > MAX_NAMED)
    said = f"nulls of {', '.join(filled[:MAX_NAMED])}{more} are filled with the mean, and features say where"
    return f"note: {said}: --fill-null says otherwise, and --fill-null none refuses them"


def _survey_of_cells(data, reading, rows):
    """A survey of what the first file holds, whatever training would make of it; None where it can't be read at all."""
    from fastsgd.cli.data import format_of, parsed
    from fastsgd.sources.column_survey import survey
    from fastsgd.sources.tabular import first_batches

    given = parsed(reading)
    kind = given.pop("format", None) or format_of(data)
    try:
        schema, batches = first_batches(data if len(data) > 1 else data[0], kind, given, rows)
        found = survey(schema, batches)
        return found.of_all() if len(data) == 1 and (rows is None or found.n_rows < rows) else found
    except (ValueError, OSError):
        return None


def open_filled(data, reading, quiet, of_order=True, of_classes=False):
    """The source of `train`, and what is said of its columns: a line, and one for each that should be thought of.

    Where numbers or dates have nulls in the first rows, and nobody says what stands for them, it is their means, with features
    that say where one was missing. Beside words and texts, the means are taken off numbers.

    of_order : whether to say that the rows are in the order of time
    of_classes : whether each value of the target is a class
    """
    from fastsgd.cli.show import OUT
    from fastsgd.cli.words import in_flags

    reading = {"center": True} | reading if is_table(data, reading) else reading
    source = open_source(data, reading)
    if source.once or not hasattr(source, "survey_columns"):
        return source
    source.check_sense()
    found = source.survey_columns(TRAIN_ROWS)
    filled = _nulls(source, found, reading)
    if filled:
        source = open_source(data, _with_means(reading))
        found = source.survey_columns(TRAIN_ROWS)
    if quiet:
        return source
    OUT.print(found.summary(), markup=False)
    many = [
        c for c in found if c.role == "target" and c.kind in ("number", "id") and (c.n_distinct or 0) > MANY_NUMBERS
    ]
    for c in many if of_classes else ():
        OUT.print(
            f"note: each number of {c.name}, {c.n_distinct:,} in the first rows, is a class of its own: to predict a number, "
            "--task regression",
            markup=False,
        )
    if filled:
        OUT.print(_said_of_nulls(filled), markup=False)
    for note in found.notes(of_order):
        OUT.print(f"note: {in_flags(note)}", markup=False)
    return source
