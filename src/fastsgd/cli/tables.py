"""From text, which is slow to read, to Parquet or Arrow files."""

from contextlib import contextmanager

from fastsgd.cli.data import OF_CSV, OF_TEXT, Format, format_of, open_source, parsed
from fastsgd.persist import disk

GROUP_ROWS = 65536  # of a row group or record batch: what is read as one block
FEATURES, TARGET = "features", "target"


def converted(paths, output, reading):
    """Write the rows of CSV or svmlight files to a file of the format that its ending says; the number of rows.

    CSV files keep their columns. Of svmlight files there are two: "target", and "features", lists of (index, value).
    """
    kind, to = Format(reading.get("format") or format_of(paths)), format_of([output])
    if kind not in (Format.csv, Format.svmlight) or to not in (Format.parquet, Format.arrow):
        raise ValueError(f"convert takes CSV and svmlight files to Parquet or Arrow, not {kind} to {to}.")
    schema, batches = (_csv if kind == Format.csv else _svmlight)(paths, reading)
    with disk.replacing(disk.place(output)) as file, table_writer(file, schema, to) as write:
        return write(batches)


@contextmanager
def table_writer(file, schema, to):
    """A function that writes batches or tables to an open file, in groups of GROUP_ROWS rows; it gives their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if to == Format.parquet:
        # dictionaries make columns of floats larger and slower, and columns of words smaller and faster
        words = [field.name for field in schema if pa.types.is_string(field.type)]
        made = pq.ParquetWriter(file, schema, use_dictionary=words)
    else:
        made = pa.ipc.new_file(file, schema)

    def write(batches):
        rows = 0
        for table in _regrouped(batches):
            made.write_table(table, GROUP_ROWS)
            rows += len(table)
        return rows

    with made:
        yield write


def _regrouped(batches):
    """Batches or tables as tables of GROUP_ROWS rows."""
    import pyarrow as pa

    waiting, rows = [], 0
    for batch in batches:
        waiting += batch.to_batches() if isinstance(batch, pa.Table) else [batch]
        rows += len(batch)
        while rows >= GROUP_ROWS:
            whole = pa.Table.from_batches(waiting)
            yield whole.slice(0, GROUP_ROWS).combine_chunks()
            waiting, rows = whole.slice(GROUP_ROWS).to_batches(), rows - GROUP_ROWS
    if rows:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _csv(paths, reading):

    from fastsgd.sources.csv_columns import CsvColumns
    from fastsgd.sources.csv_text import TEXT, CsvText
    from fastsgd.sources.formats import Formats

    given = {name: value for name, value in parsed(reading).items() if name != "format"}
    if more := sorted(set(given) - {*OF_CSV, *OF_TEXT}):
        raise ValueError(f"csv files have no --{more[0].replace('_', '-')}: leave it out.")
    written = {name: value for name, value in given.items() if name not in TEXT}
    text = CsvText(paths, **{name: value for name, value in given.items() if name in TEXT}).written(Formats.of(written))
    table = CsvColumns(text, {**written, "dtype": None, "fill_null": 0.0})
    if table.error is not None:
        raise table.error
    names = table.schema.names
    table.codes.tell(labels=names)

    def batches():
        for piece in table.scan(names):
            yield table.read(*piece, names).cast(table.schema)
        table.codes.tell_late(labels=names)

    return table.schema, batches()


def _svmlight(paths, reading):
    import numpy as np
    import pyarrow as pa

    source = open_source(paths, reading)
    if source.n_features is None:
        source.survey()
    value = pa.float64() if source.dtype == np.float64 else pa.float32()
    pairs = pa.list_(pa.struct([("index", pa.int32()), ("value", value)]))
    field = pa.field(FEATURES, pairs, metadata={"n_features": str(source.n_features)})
    schema = pa.schema([pa.field(TARGET, pa.float64()), field])

    def batches():
        for rows in source.blocks():
            X = rows.X
            entries = pa.StructArray.from_arrays([X.indices.astype(np.int32), X.data], ["index", "value"])
            lists = pa.ListArray.from_arrays(X.indptr.astype(np.int32), entries)
            yield pa.RecordBatch.from_arrays([pa.array(rows.y, pa.float64()), lists], schema=schema)

    return schema, batches()
