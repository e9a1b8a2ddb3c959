"""What becomes of errors: a line on stderr, and the exit code."""

import functools
import os
import sys

import typer

INTERRUPTED = 130
EXTRAS = {"pyarrow": "parquet", "matplotlib": "plot"}  # package to the extra that brings it


class NotUnderstood(ValueError):
    """The command contradicts itself: exit code 2, before any work."""


def guarded(function):
    """A command whose errors are a line on stderr."""

    @functools.wraps(function)
    def command(*args, **kwargs):
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _give_up_stdout()
            print("interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever read stdout has seen enough
            _give_up_stdout()
            sys.stderr.flush()
            os._exit(1)  # At once: threads that still read a file may not outlive the interpreter, and would abort it.
        except NotUnderstood as error:
            _say(error)
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            how = f': pip install "fastsgd[{EXTRAS[package]}]"' if package in EXTRAS else ""
            _say(f"{error}{how}")
            raise typer.Exit(1) from None
        except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
            _give_up_stdout()
            _say(_in_words(error, kwargs))
            raise typer.Exit(1) from None

    return command


def _say(text):
    from fastsgd.cli.show import ERR

    ERR.print(f"error: {text}", style="red", markup=False)


def _in_words(error, given):
    """What an error says; of the system's, which file it is about and why, without a number."""
    from fastsgd.cli.words import in_flags

    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"there is no file or folder {error.filename}.{_repeated(error.filename, given)}"
    if isinstance(error, OSError) and error.strerror:
        return f"{'' if error.filename is None else f'{error.filename}: '}{error.strerror}."
    return in_flags(str(error)) or type(error).__name__


def _repeated(name, given):
    """What to do if a name that is no file was meant as a further value of a flag; "" where that can't be."""
    data = given.get("data") or []
    flags = [flag for flag, values in given.items() if flag != "data" and isinstance(values, list) and values]
    if name not in data or len(data) == 1 or len(flags) != 1:
        return ""
    flag, value = f"--{flags[0].replace('_', '-')}", given[flags[0]][-1]
    return f" For a flag of several values, give it before each: {flag} {value} {flag} {name}."


def _give_up_stdout():
    """Write out what is waiting; if that fails, have the interpreter not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
