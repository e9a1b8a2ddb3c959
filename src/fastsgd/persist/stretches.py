"""The rule of what a file holds of the losses of rows, by stretches."""

from fastsgd.persist.rules import History, pop
from fastsgd.persist.values import brief
from fastsgd.progressive import MAX_STRETCHES, SUMS, Progressive

ROWS = History(SUMS, "stretches")


class Stretches:
    """A progressive.Progressive."""

    def put(self, name, value, parts):
        ROWS.put(name, value.sums(), parts)
        parts.values[f"{name}.unit"] = value.unit

    def take(self, name, parts):
        sums, unit = ROWS.take(name, parts), pop(parts, f"{name}.unit", int)
        rows = sums["rows"]
        sound = len(rows) <= MAX_STRETCHES and 1 <= unit < 2**62 and (rows > 0).all() and (rows[:-1] >= unit).all()
        if not sound or not rows.astype(float).sum() < 2**62:
            raise ValueError(
                f"{name} must be at most {MAX_STRETCHES} stretches of {brief(unit)} rows or more, but for the last, found "
                f"{brief(rows)}"
            )
        return Progressive.of(sums, unit)
