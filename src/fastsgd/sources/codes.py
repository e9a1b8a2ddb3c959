"""Whole numbers of CSV files that may be codes, as they have leading zeros.

It imports pyarrow, and so is imported in functions alone.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as compute

from fastsgd.sources.formats import ABSENT
from fastsgd.sources.spelling import is_text
from fastsgd.sources.telling import tell

# A cell with leading zeros may be more than a number; pyarrow strips blanks from numbers.
CODE = r"^[ \t]*[+-]?0[0-9]+[ \t]*$"
MAX_LOOKS = 3  # The text of a column is read at most this often in later blocks, each time from the start of the file.


@dataclass
class Codes:
    """What the first block shows, and what later ones do.

    Attributes
    ----------
    text : CsvText
    codes : dict of str to str
        Of columns of whole numbers, a cell with leading zeros, which are lost.
    floors : dict of str to int or None
        Of those whose cells all have the same number of digits, the least number that has as many: a lower one may be a code.
        And those that are asked for as categories, whose text is there.
    late : dict of str to str
        As `codes`, found in later blocks and not yet told.
    """

    text: object
    codes: dict = field(default_factory=dict)
    floors: dict = field(default_factory=dict)
    late: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)

    @classmethod
    def of(cls, text, whole, batch, asked=()):
        """What the text of the first block has, of columns of whole numbers, some of them `asked` for as categories."""
        found = cls(text)
        for name in whole if batch is not None else ():
            cells = batch.column(name)
            if code := _code(cells):
                found.codes[name] = code
            elif name in asked or _floor(cells):
                found.floors[name] = _floor(cells)
        return found

    def see(self, file, number, batch):
        """Look at a block that has been read, the one of that number of a file."""
        for name, floor in list(self.floors.items()):
            if name not in batch.schema.names:
                continue
            cells, code = batch.column(name), None
            if is_text(cells.type):  # it is to be a category, spelled as a number
                code = _code(cells.filter(compute.starts_with(cells, "0")))
            else:
                least = compute.min(cells).as_py()
                if least is None or not 0 <= least < floor:
                    continue
                self.floors[name], self.looks[name] = least, self.looks.get(name, 0) + 1
                code = next(_code(then.column(name)) for at, then in _read(self.text, file, [name]) if at == number)
            if code:
                self.late[name] = code
            if code or self.looks.get(name) == MAX_LOOKS:
                del self.floors[name]

    def tell(self, labels, asked=()):
        """Warn of what the first block shows; but of codes that are asked for as categories."""
        self._tell_codes({name: cell for name, cell in self.codes.items() if name not in asked}, labels)

    def tell_late(self, labels):
        """Warn of what has been found since."""
        while self.late:
            self._tell_codes(dict([self.late.popitem()]), labels)

    def _tell_codes(self, codes, labels):
        for name, cell in codes.items():
            how = "" if name in labels else f"categorical_features=[{name!r}] or "
            tell(
                f"{self.text.sample.path}: column {name!r} has numbers with leading zeros, such as {cell!r}, which is read as "
                f"{int(cell)}. If they are codes, set {how}column_types={{{name!r}: 'string'}}; if they are numbers, "
                f"column_types={{{name!r}: 'int64'}} says so.",
            )


def _read(text, file, names):
    """(number, batch) of the blocks of a file, those columns as text."""
    with text.opened(file, dict.fromkeys(names, pa.string()), names) as reader:
        yield from enumerate(reader)


def _code(cells):
    some = cells.filter(compute.match_substring_regex(cells, CODE))
    return some[0].as_py() if len(some) else None


def _floor(cells):
    """The least number of as many digits as all these have, which are whole numbers; None if some have others."""
    cells = cells.filter(compute.invert(_absent(cells)))
    ends = compute.min_max(compute.utf8_length(cells)).as_py()
    if ends["min"] is None or not 1 < ends["min"] == ends["max"] < 19:
        return None
    floor = 10 ** (ends["min"] - 1)
    try:
        least = compute.min(cells.cast(pa.int64())).as_py()
    except pa.ArrowInvalid:  # they have spaces
        return None
    return floor if least >= floor else None


def _absent(cells):
    return compute.is_in(cells, pa.array(ABSENT, cells.type))
