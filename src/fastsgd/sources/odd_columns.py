"""Columns of text that are meant as numbers or dates. It imports pyarrow, and so is imported in functions alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources.date_text import DateFormat, formats_of
from fastsgd.sources.formats import BooleanText, CellText, DateText, Formats, NumberText, is_absent
from fastsgd.sources.numerals import CURRENCY, Numerals

LONG = 100  # Cells of more bytes on average are neither numbers nor dates.
SHOWN_CELLS = 5  # An error shows this many odd cells of a column.
MAX_NA_VALUES = 10  # More words than these that are no numbers are not taken for names of nothing.
NUMBER_SHARE = 0.5  # A column is nearly one of numbers if at least this share of its cells are numbers.
# So is one with FEW_SHARE of numbers or more, if MANY_NUMBERS of them or more differ, and at most FEW_WORDS different words.
FEW_SHARE, MANY_NUMBERS, FEW_WORDS = 0.1, 10, 5
# But S, M, L, 36 and 38 are names: a column of at most so many different numbers, and of half as many words or more, is of words.
FEW_NUMBERS = 20
# To see that a column is one of words, only this many of its values are tried in each way of writing numbers.
TRIED_VALUES = 200
MARKED = r"[^\pL\pN]*"  # Signs, blanks and brackets may stand before and behind a number.
LIKE_A_NUMBER = (
    rf"^{MARKED}(?:{CURRENCY})?{MARKED}[0-9][^\pL]*(?:[eE][+-]?[0-9]+)?{MARKED}(?:{CURRENCY})?{MARKED}$|^\W*(?i:inf)"
)
CODE_SHARE = 0.05  # If this share of the numbers has zeros in front, the column is one of codes.
CODE = r"^[+-]?0[0-9]+"
NOTHING = re.compile(  # Words that say that there is nothing, whatever the column.
    r"\W*|n\W?a\W?|n\W?v\W?|k\W?a\W?|not (available|applicable|known|given|reported|stated)|unknown|unkn?|missing|miss|none|nil|"
    r"null|nan|undefined|no data|no answer|tba|tbd|refused|blank|empty|error|#\S+",
    re.IGNORECASE,
)
WAYS = [  # Numbers are written in these ways (thousands, decimal); the first of those that read most cells is taken.
    (None, "."),
    (",", "."),
    (None, ","),
    (".", ","),
    (" ", "."),
    (" ", ","),
    ("'", "."),
    ("'", ","),
    ("_", "."),
]


@dataclass
class Odd:
    """A column of text that is not read as such in silence.

    Attributes
    ----------
    name : str
    what : str
        "numbers" or "dates".
    cells : list of (int, str)
        Row and text of the first ones that make text of it.
    nothing : list of str
        Words that are to be names of nothing.
    numerals : Numerals or None
        How the numbers are written.
    others : list of Numerals
        How else they may be written.
    dates : list of str
        Formats of dates; two where it is open what comes first.
    is_words : bool
        Whether it looks more like categories.
    tells : bool
        Whether it is told by marks, or by words that can only be for nothing, and not by numbers alone.
    """

    name: str
    what: str
    cells: list[tuple[int, str]]
    nothing: list[str] = field(default_factory=list)
    numerals: Numerals | None = None
    others: list[Numerals] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    is_words: bool = False
    tells: bool = True


def look(name: str, cells: pa.Array, formats: Formats, dtype: pa.DataType) -> CellText | Odd | None:
    """How a column of text is to be read, by its first cells; None as words.

    Parameters
    ----------
    name : str
    cells : pyarrow array of strings
    formats : Formats
    dtype : pyarrow type
        Of its numbers.
    """
    absent = formats.absent(name)
    counts = pc.value_counts(cells.drop_null())
    values, counts = counts.field("values"), counts.field("counts")
    there = pc.invert(is_absent(values, absent))
    words = CellCounts(name, cells, absent, values.filter(there), counts.filter(there))
    if not words.n:
        return None
    given = formats.date(name)
    if given is not None:
        share = words.share(given.read(words.values))
        if share == 1 or formats.speaks_of(name) or share >= NUMBER_SHARE:
            return DateText(absent, given) if share == 1 else words.odd_dates([given], given.read(words.values))
    if pc.mean(pc.binary_length(words.values)).as_py() > LONG:
        return None
    if words.share(BooleanText(absent).parse(words.values)) == 1:
        return BooleanText(absent)
    numerals = formats.numerals(name)
    numbers = numerals.read(words.values)
    codes = pc.and_(pc.match_substring_regex(words.values, CODE), numbers.is_valid())
    if words.weight(codes) > CODE_SHARE * words.weight(numbers.is_valid()):
        return None
    if words.share(numbers) == 1:
        return NumberText(absent, numerals, dtype)
    share, dates = formats_of(words.values)
    if share >= NUMBER_SHARE:
        if share == 1 and len(dates) == 1:
            return DateText(absent, dates[0])
        return words.odd_dates(dates, dates[0].read(words.values))
    return words.odd_numbers(formats)


class CellCounts:
    """The different cells of a column that are there, and how often.

    Attributes
    ----------
    n : int
        Cells that are there.
    """

    def __init__(self, name: str, cells: pa.Array, absent: Sequence[str], values: pa.Array, counts: pa.Array) -> None:
        self.name, self.cells, self.absent, self.values, self.counts = name, cells, absent, values, counts
        self.n = pc.sum(counts).as_py() or 0

    def weight(self, mask: pa.Array) -> int:
        """How many cells have the values of a mask."""
        return pc.sum(self.counts.filter(mask)).as_py() or 0

    def share(self, found: pa.Array) -> float:
        """Of how many cells something has been made."""
        return self.weight(found.is_valid()) / self.n

    def first(self, mask: pa.Array) -> list[tuple[int, str]]:
        """Row and text of the first cells whose values are in the mask, each value once."""
        few = self.values.filter(mask).slice(0, SHOWN_CELLS)
        return [(pc.index(self.cells, value).as_py(), value.as_py()) for value in few]

    def odd_dates(self, formats: list[DateFormat], found: pa.Array) -> Odd:
        """What to say of a column of dates, some of which are none, or can be read in two ways."""
        odd = found.is_null()
        cells = self.first(odd if pc.any(odd).as_py() else found.is_valid())
        dates = [one.format for one in formats]
        return Odd(self.name, "dates", cells, self._nothing(odd), dates=dates, is_words=self._are_many(odd))

    def odd_numbers(self, formats: Formats) -> Odd | None:
        """What to say of a column that is one of numbers but for how they are written, or for a few words; None of another."""
        some = self.values.slice(0, TRIED_VALUES)
        if (pc.sum(pc.match_substring_regex(some, LIKE_A_NUMBER)).as_py() or 0) < FEW_SHARE * len(some):
            return None
        numerals, others = self._numerals(formats)
        found = numerals.read(self.values)
        odd = found.is_null()
        n_numbers, words = len(found) - found.null_count, self.values.filter(odd).to_pylist()
        share = self.share(found)
        if share < FEW_SHARE or (share < NUMBER_SHARE and (n_numbers < MANY_NUMBERS or len(words) > FEW_WORDS)):
            return None
        names = [word for word in words if not NOTHING.fullmatch(word.strip())]
        if n_numbers <= FEW_NUMBERS and names and 2 * len(names) >= n_numbers:
            return None
        marked = formats.numerals(self.name).read(self.values).is_null()
        nothing = self._nothing(odd)
        is_words = self._are_many(odd) or sum(any(map(str.isdigit, word)) for word in names) >= 3
        tells = not numerals.plain or not names
        return Odd(self.name, "numbers", self.first(marked), nothing, numerals, others, is_words=is_words, tells=tells)

    def _nothing(self, odd: pa.Array) -> list[str]:
        words = list(
            dict.fromkeys(word.strip() for word in self.values.filter(odd).slice(0, 10 * MAX_NA_VALUES).to_pylist())
        )
        return words if len(words) <= MAX_NA_VALUES else []

    def _are_many(self, odd: pa.Array) -> bool:
        return pc.any(odd).as_py() and not self._nothing(odd)

    def _numerals(self, formats: Formats) -> tuple[Numerals, list[Numerals]]:
        """How most of the numbers are written, and in what other ways as many may be, which are then other numbers."""
        given = formats.numerals(self.name)
        most, best = 0, [given]
        for thousands, decimal in [(given.thousands, given.decimal), *WAYS]:
            way = Numerals(thousands, decimal, percent=True, currency=True)
            found = way.read(self.values)
            n = self.weight(found.is_valid())
            if n > most:
                most, best = n, []
            if n == most:
                best.append(way.marks(self.values.filter(found.is_valid())))
        first = best[0].read(self.values)
        return best[0], [way for way in best[1:] if way.read(self.values) != first]
