"""The command `fastsgd`: train, predict, evaluate, info, convert, plot. See docs/large-data.md."""

import sys

MISSING = 'The command needs packages that are not installed: pip install "fastsgd[cli]".'


def main(args=None):
    """Run the command with these arguments (None: those of the process), and return its exit code.

    0: done. 1: an error, in words on stderr. 2: the command was not understood. 130: Ctrl-C.
    """
    try:
        from fastsgd.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"{MISSING} ({error.name} is missing.)", file=sys.stderr)
        return 1
    return run(args)
