"""`fastsgd plot`."""

from typing import Annotated

import typer


def plot(
    history: Annotated[
        list[str],
        typer.Argument(help="Model files, or files of what `train --json` prints: a curve each.", show_default=False),
    ],
    output: Annotated[str, typer.Option(help="An image, in the format that its ending says.")] = "history.png",
    x: Annotated[str, typer.Option(help='The horizontal axis: "epoch" or "seconds".')] = "epoch",
    y: Annotated[
        str | None,
        typer.Option(
            help="A column of the history; by default loss, objective and validation score.", show_default=False
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="A logarithmic vertical axis.")] = False,
):
    """Draw how trainings went."""
    from fastsgd.cli.draw import draw
    from fastsgd.cli.show import ERR

    draw(history, output, x=x, y=y, log=log)
    ERR.print(f"{output} is written", markup=False)
