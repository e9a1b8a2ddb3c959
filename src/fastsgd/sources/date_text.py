"""Dates and times as people write them: 31/12/2020 and Dec 31, 2020 5:30 PM. It imports pyarrow, and so is imported in
functions alone.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources.numerals import BLANKS

MONTHS = "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
MONTH_NAMES = f"(?:{'|'.join(MONTHS)})[a-z]{{0,6}}"
DAY_NAMES = "(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
DIRECTIVES = {  # Of strptime: what each stands for, in the syntax that Python's regular expressions and Arrow's share.
    "%Y": "(?P<year>[0-9]{4})",
    "%y": "(?P<short>[0-9]{2})",
    "%m": "(?P<month>[0-9]{1,2})",
    "%b": f"(?P<name>(?i:{MONTH_NAMES}))\\.?",
    "%d": "(?P<day>[0-9]{1,2})",
    "%a": f"(?i:{DAY_NAMES})\\.?",
    "%H": "(?P<hour>[0-9]{1,2})",
    "%I": "(?P<hour>[0-9]{1,2})",
    "%M": "(?P<minute>[0-9]{2})",
    "%S": "(?P<second>[0-9]{2})(?P<fraction>(?:[.,][0-9]{1,9})?)",
    "%p": "(?P<half>(?i:[ap]\\.?m\\.?))",
    "%z": f"[{BLANKS}]*(?P<zone>Z|UTC|GMT|[+-][0-9]{{2}}:?(?:[0-9]{{2}})?)",
    "%%": "%",
}
SAME = {
    "%B": "%b",
    "%A": "%a",
    "%e": "%d",
    "%S.%f": "%S",
    "%S,%f": "%S",
    "%F": "%Y-%m-%d",
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
}
CLOCK = "%H", "%I"
CENTURY = 69  # Years of two digits are of the 20th century from this one on, as in POSIX.
DAYS = (  # Dates that are recognised: those whose day and month may be taken for each other are side by side.
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d. %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d/%b/%Y",
    "%d %b, %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%a, %b %d, %Y",
    "%a %d %b %Y",
)
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %I:%M%p",
    " %I:%M:%S%p",
    "T%H:%M",
    "T%H:%M:%S",
    ", %H:%M",
    ", %H:%M:%S",
)
ZONES = ("%z",)
LIKE_A_DATE = re.compile(  # What is no date is not tried in every format.
    rf"[0-9]{{1,4}}[-/. ][0-9]{{1,2}}[-/. ][0-9]{{2,4}}|\b{MONTH_NAMES}\b.*[0-9]|[0-9].*\b{MONTH_NAMES}\b",
    re.IGNORECASE,
)
WHOLE = "%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z"  # of logs and mails
TRIED_CELLS = 20  # A format is tried on this many cells first.
PADDED = re.compile(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}")  # 10.4.11 may be a version.


class DateFormat:
    """A format of `strptime`, of cells that are read many at a time.

    Where the date comes first, the time may be lacking, and is 00:00 then.

    Attributes
    ----------
    type : pyarrow type
        A date, or a timestamp where there are hours, of UTC where there are zones.

    Examples
    --------
    >>> DateFormat("%d/%m/%Y %I:%M %p").read(pa.array(["31/12/2020 5:30 PM", "31/02/2020", "1/2/2020"])).to_pylist()
    [datetime.datetime(2020, 12, 31, 17, 30), None, datetime.datetime(2020, 2, 1, 0, 0)]
    """

    def __init__(self, format: str) -> None:
        self.format, found = format, format
        for name, stands_for in SAME.items():
            found = found.replace(name, stands_for)
        parts = re.findall(r"%.|[^%]+|%$", found)
        self.parts = [part for part in parts if part.startswith("%")]
        if unknown := next((part for part in self.parts if part not in DIRECTIVES), None):
            known = ", ".join([*DIRECTIVES, "%B", "%A", "%f"])
            raise ValueError(f"date_format: {format!r} has {unknown!r}; known are {known}.")
        if not {"%Y", "%y"} & set(self.parts) or len(set(self.parts) - {"%%", "%a"}) < len(
            [part for part in self.parts if part not in ("%%", "%a")]
        ):
            raise ValueError(f"date_format: {format!r} must have a year, %Y or %y, and each part once.")
        self.pattern = self._pattern(parts)
        clock, zoned = bool({"%H", "%I"} & set(self.parts)), "%z" in self.parts
        self.type = pa.timestamp("us", "UTC" if zoned else None) if clock else pa.date32()

    def _pattern(self, parts: list[str]) -> str:
        made = []
        for part, after in zip(parts, [*parts[1:], ""], strict=True):
            piece = DIRECTIVES.get(part) or re.sub(r"(?:\\ )+", f"[{BLANKS}]+", re.escape(part))
            if part in (" ", "T") and after in CLOCK:
                piece = f"(?:T|[{BLANKS}]+)"
            made.append(piece.replace("{1,2}", "{2}") if after.startswith("%") and after != "%p" else piece)
            if after == "" and len(parts) > 1 and parts[-2].startswith("%") and part in ("%d", "%m"):
                made[-1] = piece.replace("{1,2}", "{2}")
        self.full = f"^{''.join(made)}$"
        of_time = [i for i, part in enumerate(parts) if part in (*CLOCK, "%M", "%S", "%p", "%z")]
        begin = of_time[0] if of_time else 0
        if of_time and not any(part in ("%Y", "%y", "%m", "%d", "%b") for part in parts[begin:]) and begin:
            begin -= not parts[begin - 1].startswith("%")
            if begin:
                return f"^{''.join(made[:begin])}(?:{''.join(made[begin:])})?$"
        return self.full

    @property
    def sorts_days(self) -> bool:
        """Whether day and month are numbers of which either could come first."""
        return {"%d", "%m"} <= set(self.parts) and "." not in self.format[:6] and not self.format.startswith("%Y")

    def swapped(self) -> str:
        """The format with day and month in each other's place."""
        return self.format.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")

    def read(self, cells: pa.Array) -> pa.Array:
        """The dates that strings say; null where they say none."""
        found = pc.extract_regex(pc.utf8_trim_whitespace(cells.cast(pa.string())), self.pattern)
        there = found.is_valid().to_numpy(zero_copy_only=False)

        def number(name: str, default: int) -> np.ndarray:
            if f"<{name}>" not in self.pattern:
                return np.full(len(cells), default)
            text = found.field(name)
            text = pc.if_else(pc.equal(text, ""), str(default), text)
            return pc.fill_null(text.cast(pa.int64()), default).to_numpy(zero_copy_only=False)

        def text(name: str) -> pa.Array:
            empty = pa.array([""] * len(cells), pa.string())
            return pc.utf8_lower(pc.fill_null(found.field(name), "")) if f"<{name}>" in self.pattern else empty

        year = number("year", 1970)
        if "%y" in self.parts:
            short = number("short", 70)
            year = short + np.where(short < CENTURY, 2000, 1900)
        month, day = number("month", 1), number("day", 1)
        if "%b" in self.parts:
            names = pc.index_in(pc.utf8_slice_codeunits(text("name"), 0, 3), pa.array(MONTHS))
            month = pc.fill_null(names, 0).to_numpy(zero_copy_only=False) + 1
        hour, minute, second = number("hour", 0), number("minute", 0), number("second", 0)
        ok = there & (month >= 1) & (month <= 12) & (year >= 1) & (minute < 60) & (second < 61)
        months = (year.clip(1) - 1970).astype("M8[Y]").astype("M8[M]") + (month.clip(1, 12) - 1)
        days = months.astype("M8[D]")
        ok &= (day >= 1) & (day <= ((months + 1).astype("M8[D]") - days).astype(int))
        days = days + (day - 1)
        if pa.types.is_date(self.type):
            return pa.array(days, pa.date32(), mask=~ok)
        if "%I" in self.parts:
            half = pc.starts_with(text("half"), "p").to_numpy(zero_copy_only=False)
            empty = pc.equal(text("half"), "").to_numpy(zero_copy_only=False)
            ok &= ((hour >= 1) & (hour <= 12)) | (empty & (hour == 0))
            hour = hour % 12 + 12 * half
        ok &= (hour < 24) | ((hour == 24) & (minute == 0) & (second == 0))
        micros = days.astype("M8[us]") + (3600 * hour + 60 * minute + second) * np.timedelta64(1_000_000, "us")
        if "%S" in self.parts:
            digits = pc.utf8_slice_codeunits(pc.utf8_rpad(text("fraction"), 7, "0"), 1, 7)
            micros = micros + pc.fill_null(digits.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("m8[us]")
        if "%z" in self.parts:
            micros = micros - _offset(text("zone")) * np.timedelta64(60_000_000, "us")
        return pa.array(micros, pa.timestamp("us"), mask=~ok).cast(self.type)


def _offset(zones: pa.Array) -> np.ndarray:
    """Minutes east of Greenwich."""
    parts = pc.extract_regex(zones, "^(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>(?:[0-9]{2})?)$")
    if not pc.any(parts.is_valid()).as_py():
        return np.zeros(len(zones), np.int64)

    def number(name: str) -> np.ndarray:
        text = pc.fill_null(parts.field(name), "0")
        return pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()).to_numpy(zero_copy_only=False)

    west = pc.equal(pc.fill_null(parts.field("sign"), "+"), "-").to_numpy(zero_copy_only=False)
    return np.where(west, -1, 1) * (60 * number("hours") + number("minutes"))


@lru_cache(maxsize=256)
def format_of(text: str) -> DateFormat:
    """The DateFormat of a format of strptime."""
    return DateFormat(text)


@lru_cache(maxsize=1)
def _tried() -> tuple[list[tuple[str, re.Pattern[str]]], ...]:
    """Formats and patterns of days, with which cells may begin, and of the times that may follow."""
    days = [(day, re.compile(format_of(day).pattern.rstrip("$"))) for day in DAYS]
    clocks = [time + zone for time in TIMES for zone in ("", *(ZONES if "%H" in time else ()))]
    # A year is put before a time, which alone is no date.
    return days, [(clock, re.compile(DateFormat(f"%Y|{clock}").full)) for clock in clocks]


def _candidates(cells: list[str]) -> Iterator[DateFormat]:
    """The formats that at least half of these cells may have."""
    days, clocks = _tried()
    for day, pattern in days:
        rests = [cell[found.end() :] for cell in cells if (found := pattern.match(cell))]
        if 2 * len(rests) < len(cells):
            continue
        if day == "%d.%m.%y" and not all(map(PADDED.match, cells)):
            continue
        for clock, after in clocks:
            if any(after.match(f"2000|{rest}") for rest in rests):
                yield format_of(day + clock)
    for whole in WHOLE:
        if re.match(format_of(whole).full, cells[0]):
            yield format_of(whole)


def formats_of(cells: pa.Array) -> tuple[float, list[DateFormat]]:
    """The formats in which most of these cells can be read, and which share of them that is.

    Parameters
    ----------
    cells : pyarrow array of strings, without nulls
        Each value once is enough.

    Returns
    -------
    share : float
    formats : list of DateFormat
        Several where day and month can be taken for each other.
    """
    some = [cell.strip() for cell in cells.slice(0, TRIED_CELLS).to_pylist()]
    if sum(map(bool, map(LIKE_A_DATE.search, some))) * 2 < max(1, len(some)):
        return 0.0, []
    some = [cell for cell in some if LIKE_A_DATE.search(cell)]
    most, best = 0, list[DateFormat]()
    for one in _candidates(some):
        n = len(cells) - one.read(cells).null_count
        if n > most:
            most, best = n, [one]
        elif n == most and best and one.sorts_days and best[0].swapped() == one.format:
            best.append(one)
    return most / max(1, len(cells)), best
