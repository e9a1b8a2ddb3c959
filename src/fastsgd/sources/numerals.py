"""Numbers as people write them: 1,234 and 1.234,5 and 12.5% and $12.50. It imports pyarrow, and so is imported in functions
alone.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

BLANKS = " \u00a0\u202f\u2009"  # One of these between thousands stands for all, as do straight and curved apostrophes.
ALIKE = {" ": f"[{BLANKS}]", "'": "['\u2019]"}
CODES = (  # of ISO 4217, those that are written often
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|RMB|HKD|SGD|TWD|KRW|INR|PKR|THB|IDR|MYR|PHP|VND|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|RUB|UAH|"
    "TRY|ILS|AED|SAR|EGP|ZAR|NGN|KES|BRL|MXN|ARS|CLP|COP|PEN"
)
CURRENCY = rf"(?:[A-Z]{{1,2}}\$|\p{{Sc}}|(?i:{CODES})|(?:US|CA|AU)\$|[Kk]r\.?|zł|Kč|Ft|Fr\.|SFr\.|Rs\.?|元|円)"
MINUS = "\u2212"
SIGN = f"[+{MINUS}-]"  # with the minus sign of Unicode
THOUSANDS = ",", ".", " ", "'", "_"
DECIMALS = ".", ","


@dataclass(frozen=True)
class Numerals:
    """How numbers are written.

    Attributes
    ----------
    thousands : str or None
        The mark between groups of three digits; after a comma there may be two, as in 12,34,567.
    decimal : str
    percent : bool
        Whether a number before % is taken by a hundredth.
    currency : bool
        Whether marks of currencies are left off, and a number in brackets is negative.

    Examples
    --------
    >>> Numerals(thousands=".", decimal=",", percent=True).read(pa.array(["1.234,5", "12,5 %", "1,2.3"])).to_pylist()
    [1234.5, 0.125, None]
    """

    thousands: str | None = None
    decimal: str = "."
    percent: bool = False
    currency: bool = False

    @property
    def plain(self) -> bool:
        """Whether these are numbers as `float` takes them."""
        return self == Numerals()

    def read(self, cells: pa.Array, dtype: pa.DataType | None = None) -> pa.Array:
        """The numbers that strings say, as `float` of their digits; null where they say none."""
        cells = pc.utf8_trim_whitespace(cells.cast(pa.string()))
        cells = pc.if_else(pc.match_substring_regex(cells, self._pattern), cells, pa.scalar(None, cells.type))
        if self == PLAIN and not pc.any(pc.match_substring(cells, MINUS)).as_py():
            return cells.cast(dtype or pa.float64())
        minus = pc.match_substring_regex(cells, f"^[^0-9.,]*[({MINUS}-]")
        hundredth = pc.match_substring(cells, "%")
        digits = pc.replace_substring_regex(cells, self._left_off, "")
        if self.decimal != ".":
            digits = pc.replace_substring(digits, self.decimal, ".")
        parts = pc.if_else(minus, "-", ""), digits, pc.if_else(hundredth, "e-2", "")
        return pc.binary_join_element_wise(*parts, "").cast(dtype or pa.float64())

    def marks(self, cells: pa.Array) -> "Numerals":
        """These, without the marks that none of the cells has, all of which can be read."""

        def some(pattern: str) -> bool:
            return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())

        groups = self.thousands is not None and some(f"[0-9]{_any_of(self.thousands)}[0-9]{{3}}")
        return Numerals(
            self.thousands if groups else None,
            self.decimal if some(f"[{self.decimal}]") or (groups and self.thousands == ".") else ".",
            self.percent and some("%"),
            self.currency and some(rf"{CURRENCY}|\("),
        )

    @property
    def _pattern(self) -> str:
        whole = "[0-9]+"
        if self.thousands is not None:
            mark = _any_of(self.thousands)
            between = f"(?:{mark}[0-9]{{{'2,3' if self.thousands == ',' else '3'}}})*"
            whole = f"[1-9][0-9]{{0,2}}{between}{mark}[0-9]{{3}}|{whole}"
        mark, blanks = f"[{self.decimal}]", f"[{BLANKS}]*"
        percent = f"|{blanks}%" if self.percent else ""
        digits = f"(?:(?:(?:{whole})(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+{percent})?|(?i:inf(?:inity)?))"
        forms = [f"{SIGN}?{digits}"]
        if self.currency:
            forms.append(f"(?:{SIGN}{blanks})?{CURRENCY}{blanks}{digits}")
            forms.append(f"{CURRENCY}{blanks}{SIGN}{blanks}{digits}")
            forms.append(f"{SIGN}?{digits}{blanks}{CURRENCY}")
            forms.append(rf"\({blanks}(?:{CURRENCY}{blanks})?{digits}{blanks}{CURRENCY}?{blanks}\)")
        return f"^(?:{'|'.join(forms)})$"

    @property
    def _left_off(self) -> str:
        """All in a number that is neither a digit, nor a decimal mark, nor a power."""
        marks = [rf"^[^0-9.,]*{SIGN}", "%", f"[{BLANKS}()]", *([CURRENCY] if self.currency else [])]
        return "|".join([*marks, *([] if self.thousands is None else [_any_of(self.thousands)])])


PLAIN = Numerals()


def _any_of(mark: str) -> str:
    """A pattern of a mark between thousands and of those that look like it."""
    return ALIKE.get(mark, f"[{mark}]")
