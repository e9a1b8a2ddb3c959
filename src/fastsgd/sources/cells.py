"""Cells of CSV files that may be meant otherwise than they are read: codes with leading zeros, and a word among numbers.

It imports pyarrow, and so is imported in functions alone.
"""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from fastsgd.sources.spelling import is_text
from fastsgd.sources.telling import tell

ABSENT = pc.ConvertOptions().null_values  # These words stand for nothing, such as NA.
# A cell with leading zeros may be more than a number; pyarrow strips blanks from numbers.
CODE = r"^[ \t]*[+-]?0[0-9]+[ \t]*$"
NUMBER = r"^[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*$"
MAX_ODD_SHARE = 0.1  # A column is one of numbers if fewer of its cells than this share are none.
SAMPLE_CELLS = 1000  # This many cells of a column are looked at before all of them are.
MAX_LOOKS = 3  # The text of a column is read at most this often in later blocks, each time from the start of the file.


def is_number(cell):
    """Whether a cell says a number."""
    return re.fullmatch(NUMBER.strip("^$"), cell) is not None


@dataclass
class Cells:
    """What the first block shows, and what later ones do.

    Attributes
    ----------
    text : Text
    codes : dict of str to str
        Of columns of whole numbers, a cell with leading zeros, which are lost.
    floors : dict of str to int or None
        Of those whose cells all have the same number of digits, the least number that has as many: a lower one may be a code.
        And those that are asked for as categories, whose text is there.
    strays : dict of str to (int, str)
        Of columns of words that are numbers but for a few cells, the row of the first of these, and itself.
    late : dict of str to str
        As `codes`, found in later blocks and not yet told.
    """

    text: object
    codes: dict = field(default_factory=dict)
    floors: dict = field(default_factory=dict)
    strays: dict = field(default_factory=dict)
    late: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)

    @classmethod
    def of(cls, text, whole, words, asked=()):
        """What is in the first block, of columns of whole numbers, some of them `asked` for as categories, and of words."""
        found = cls(text)
        if not whole and not words:
            return found
        batch = next(first_blocks(text, [*whole, *words]), None)
        for name in whole if batch is not None else ():
            cells = batch.column(name)
            if code := _code(cells):
                found.codes[name] = code
            elif name in asked or _floor(cells):
                found.floors[name] = _floor(cells)
        for name in words if batch is not None else ():
            if stray := _stray(batch.column(name)):
                found.strays[name] = stray
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
        for name in self.strays:
            becomes, empty = "text, each value of it a category", ", or empty it and set fill_null=0.0"
            if name in labels:
                becomes, empty = "text", ""
            tell(
                f"{self._in_words(name)}. So it is read as {becomes}. If it should be numbers, mend that cell{empty}; if it "
                f"should be text, column_types={{{name!r}: 'string'}} says so.",
            )

    def _in_words(self, name):
        """In words, which cell makes text of a column."""
        row, cell = self.strays[name]
        where = f"row {row}" if self.text.names is not None else f"row {row + 1}, counting the header,"
        return f"{self.text.sample.path}: column {name!r} is one of numbers but for a few cells: {where} has {cell!r}"

    @contextmanager
    def explaining(self):
        """A ValueError from within about a column that is text for a cell or two says which."""
        try:
            yield
        except ValueError as error:
            name = next((name for name in self.strays if repr(name) in str(error)), None)
            if name is None:
                raise
            raise ValueError(f"{error} {self._in_words(name)}. Mend that cell.") from error

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


def first_blocks(text, names):
    """The blocks of the first file with rows, those columns as text."""
    return (batch for _, batch in _read(text, text.sample, names) if len(batch))


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


def _stray(cells):
    """(row from 1, cell) of the first that is no number, where few are none; else None."""
    if _share(cells.take(pa.array(range(0, len(cells), max(1, len(cells) // SAMPLE_CELLS))))) > 5 * MAX_ODD_SHARE:
        return None
    if not 0 < _share(cells) < MAX_ODD_SHARE:
        return None
    row = compute.index(_odd(cells), True).as_py()
    return row + 1, cells[row].as_py()


def _absent(cells):
    return compute.is_in(cells, pa.array(ABSENT, cells.type))


def _odd(cells):
    """Which cells are there, and are no numbers."""
    return compute.invert(compute.or_(_absent(cells), compute.match_substring_regex(cells, NUMBER)))


def _share(cells):
    """How many of the cells that are there are no numbers; 1 where none is there."""
    there = len(cells) - (compute.sum(_absent(cells)).as_py() or 0)
    return compute.sum(_odd(cells)).as_py() / there if there else 1.0
