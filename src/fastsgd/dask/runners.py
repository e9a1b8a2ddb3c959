"""What algorithms ask of an engine: pure functions of one partition, and their results in the order of the partitions.

A runner has `load(delayed, names) -> parts`, `keep(function, parts, *args) -> parts`, which stay where they are computed, and
`run(function, parts, *args, then=None) -> results`. Functions are importable and pure: an engine may call them anywhere, twice,
or again after the machine that had the result is gone. Here is the one that does all in this thread.
"""

from typing import Any, NamedTuple

import dask

from fastsgd.lanes import Diverged


class PartitionError(RuntimeError):
    """A partition has no result: what was computed of it failed, its data are lost, or it takes its workers with it.

    Parameters
    ----------
    message : str
    partition : int or None, default=None
        Its number, from 0.
    """

    def __init__(self, message: str, partition: int | None = None) -> None:
        super().__init__(message)
        self.partition = partition


class Part(NamedTuple):
    """A partition.

    Attributes
    ----------
    number : int
    name : str
        Where it comes from, as users know it, beside its number; may be "".
    value : object
        What the engine has of it.
    """

    number: int
    name: str
    value: Any

    @property
    def first(self):
        """As the first words of a sentence."""
        return f"P{str(self)[1:]}"

    def __str__(self):
        return f"partition {self.number}{self.name and f' ({self.name})'}"


def blame(part, error):
    """What is raised where a function raised this on a partition: it says which."""
    if isinstance(error, Diverged):
        return error
    if isinstance(error, (ValueError, TypeError)):
        return type(error)(f"{part.first}: {error}")
    return PartitionError(f"{part.first}: {type(error).__name__}: {error}", part.number)


def call(value, function, args):
    """function(value, *args), as a task."""
    return function(value, *args)


class LocalRunner:
    """The runner that does one partition after the other, in this thread."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def load(self, delayed, names):
        """Parts of the values of these dask Delayed."""
        parts = [Part(number, *both) for number, both in enumerate(zip(names, delayed, strict=True))]
        return self.keep(_computed, parts)

    def keep(self, function, parts, *args):
        """The parts that the function makes of these."""
        found = self.run(function, parts, *args)
        return [part._replace(value=value) for part, value in zip(parts, found, strict=True)]

    def run(self, function, parts, *args, then=None):
        """[function(part, *args)] of all parts, in order; or then(that, *args)."""
        found = [self.one(part, function, args) for part in parts]
        return found if then is None else then(found, *args)

    def one(self, part, function, args):
        """function(part, *args) of one of them."""
        try:
            return call(part.value, function, args)
        except Exception as error:
            raise blame(part, error) from error


def _computed(delayed):
    return dask.compute(delayed, scheduler="sync")[0]
