"""`fastsgd convert`."""

from typing import Annotated

import typer

from fastsgd.cli.data import READING, TO_CONVERT, Data, files_read
from fastsgd.cli.options import with_flags


@with_flags("reading", {name: READING[name] for name in TO_CONVERT})
def convert(
    data: Data,
    output: Annotated[str, typer.Option(help="A .parquet or .arrow file.", metavar="FILE", show_default=False)],
    *,
    reading,
):
    """Convert CSV or svmlight files, which are slow to read, to a Parquet or Arrow file, with all their columns."""
    from fastsgd.cli.outputs import check_places
    from fastsgd.cli.show import ERR
    from fastsgd.cli.tables import converted

    check_places({"--output": output}, files_read(data, reading))
    rows = converted(data, output, reading)
    ERR.print(f"{output}: {rows:,} rows", markup=False)
