"""The commands, each of which is loaded when it is asked for."""

import importlib
import warnings
from typing import Annotated

import typer

from fastsgd._version import __version__
from fastsgd.cli.errors import guarded
from fastsgd.cli.help import Command, Group
from fastsgd.cli.stdin import from_stdin

# Each is the function of its name in the module of its name. Such a module loads nothing heavy but in functions.
COMMANDS = "inspect", "train", "predict", "evaluate", "diagnose", "explain", "info", "convert", "plot"
HELP = {"help_option_names": ["-h", "--help"]}


class Commands(Group):
    """The group of COMMANDS."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        one = typer.Typer(add_completion=False)
        function = getattr(importlib.import_module(f"fastsgd.cli.{name}"), name)
        one.command(name, cls=Command, context_settings=HELP)(guarded(from_stdin(function)))
        return typer.main.get_command(one)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP,
    help="Linear and logistic models by stochastic gradient descent, on files of any size.",
)


@app.callback(invoke_without_command=True)
def version(version: Annotated[bool, typer.Option("--version", help="The version, and no more.")] = False):
    if version:
        print(f"fastsgd {__version__}")
        raise typer.Exit


def run(args=None):
    """Run the command; its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _warn
        try:
            app(args, prog_name="fastsgd")
        except SystemExit as done:
            return done.code
    return 0


def _warn(message, *_):
    from fastsgd.cli.show import ERR
    from fastsgd.cli.words import in_flags

    ERR.print(f"warning: {in_flags(str(message))}", style="yellow", markup=False)
