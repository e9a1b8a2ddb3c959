"""How many rows a kernel call, a block and a buffer have: the one place where tests change it."""

from contextlib import contextmanager

from fastsgd.sources import arrays


@contextmanager
def sizes(**given):
    """A context with other sizes, as in sizes(call_rows=64): CALL_ROWS and the like of fastsgd.sources.arrays."""
    before = {name.upper(): getattr(arrays, name.upper()) for name in given}
    vars(arrays).update({name.upper(): value for name, value in given.items()})
    try:
        yield
    finally:
        vars(arrays).update(before)
