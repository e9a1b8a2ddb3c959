"""Columns of dates, of times, and of times of day, and the numbers that they become."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources.features.date_parts import OF_CALENDAR, OF_CLOCK, PERIODS, first_day, titles
from fastsgd.sources.features.missing import FilledColumn
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Batch, Part
from fastsgd.sources.spelling import is_text

UTC = "UTC", "Etc/UTC", "Z"
COUNTED = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "weekday": pc.day_of_week,  # Monday is 0.
    "day_of_year": pc.day_of_year,
    "hour": pc.hour,
    "minute": pc.minute,
}
OF_MOMENT: dict[str, Callable[[Any], int]] = {  # The same of one date or time of Python.
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "day": lambda moment: moment.day,
    "weekday": lambda moment: moment.weekday(),
    "day_of_year": lambda moment: moment.toordinal() - date(moment.year, 1, 1).toordinal() + 1,
    "hour": lambda moment: getattr(moment, "hour", 0),
    "minute": lambda moment: getattr(moment, "minute", 0),
}
LAST_YEAR = 2037
ISO_LENGTHS = 10, 19  # characters of 2024-02-29, and of 2024-02-29 10:00:00
LARGEST = 366  # No unit of a cycle is counted further: its table has a place for each number up to this.
CYCLES = {
    part: (np.sin(2 * np.pi * np.arange(LARGEST + 1) / period), np.cos(2 * np.pi * np.arange(LARGEST + 1) / period))
    for part, period in PERIODS.items()
}


class DateColumn(FilledColumn):
    """A date, a time or a time of day in each cell.

    Attributes
    ----------
    parts : list of str
        The numbers that they become.
    zone : str or None
        Times that have a zone are brought to this one.
    """

    kind = "date"

    def __init__(self, field: pa.Field, options: Options) -> None:
        name, self.parts, zone = field.name, options.dates[field.name], options.time_zone
        for given in zone.values() if isinstance(zone, dict) else [zone]:
            as_in_zone(pa.array([0], pa.timestamp("s", "UTC")), given)  # an error if there is no such zone
        self.zone = (zone.get(name) if isinstance(zone, dict) else zone) or getattr(field.type, "tz", None)
        self.titles = [f"{name}.{word}" for part in self.parts for word in titles(part)]
        self.width = len(self.titles)
        super().__init__(field, options)
        self.instead = "set dates='drop'"

    def asked(self) -> str | None:
        """A word: no number stands for each of the parts, and so it is their means where one is asked for."""
        said = super().asked()
        return said if said is None or isinstance(said, str) else "mean"

    def typed(self, array: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if not pa.types.is_null(array.type):
            return array
        return array.cast(pa.timestamp("us") if pa.types.is_null(self.type) or is_text(self.type) else self.type)

    def cells(self, array: pa.Array, where: str, fill: Any) -> np.ndarray:
        """An array (n, width)."""
        if not is_text(array.type) and encode.kind_of(array.type) != "date":
            raise ValueError(f"{where}: found {array.type}, and the column is one of dates.")
        array = as_in_zone(parsed(array, where) if is_text(array.type) else array, self.zone)
        missing = encode.absent(array)
        if missing is not None:
            array = encode.no_nulls(array, where) if fill is None else pc.fill_null(array, pa.scalar(0, array.type))
        found = np.column_stack([values for part in self.parts for values in numbers_of(array, part)]).astype(float)
        if missing is not None:
            found[missing] = fill
        return found

    def absent(self, array: pa.Array) -> np.ndarray:
        missing = encode.absent(array)
        return np.zeros(len(array), bool) if missing is None else missing


class DateParts(Part):
    """The numbers that a date becomes."""

    @property
    def width(self) -> int:
        return self.columns[0].width

    def names(self) -> list[str]:
        return self.columns[0].titles

    def becomes(self) -> str:
        parts = self.columns[0].parts
        words = [part.replace("_", " ") for part in parts if part not in PERIODS]
        cycles = [part.removesuffix("_cycle").replace("_", " ") for part in parts if part in PERIODS]
        if cycles:
            words.append(f"sine and cosine of {', '.join(cycles)}")
        return f"{self.width} feature{'s' * (self.width > 1)}: {', '.join(words)}"

    def numbers(self, batch: Batch) -> np.ndarray:
        return batch.read(self.columns[0])

    def of_row(self, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
        (column,) = self.columns
        cell = cells[column.name]
        if type(cell) is str and len(cell) in ISO_LENGTHS:
            try:
                cell = datetime.fromisoformat(cell)
            except ValueError:
                return None
        if not isinstance(cell, date) or cell != cell or getattr(cell, "tzinfo", None) is not None:
            return None  # It is missing, or has a zone.
        found = (float(value) for part in column.parts for value in of_moment(cell, part))
        return list(enumerate(found, self.at))


def as_in_zone(array: pa.Array, zone: str | None) -> pa.Array:
    """Times as clocks in that zone show them, without a zone; what has no zone stays as it is."""
    if not pa.types.is_timestamp(array.type) or array.type.tz is None:
        return array
    zone = zone or array.type.tz
    if zone in UTC:  # This needs no database of zones.
        return array.cast(pa.timestamp(array.type.unit))
    try:
        return _local(array.cast(pa.timestamp(array.type.unit, zone)))
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"time_zone={zone!r}: {error}. Name a zone of the IANA database, such as 'Europe/Berlin', or 'UTC'; on Windows "
            "pyarrow.util.download_tzdata_on_windows() fetches it."
        ) from None


def _local(array: pa.Array) -> pa.Array:
    """Times with a zone as its clocks show them.

    pyarrow knows when clocks are put forward as far as LAST_YEAR. A later year is like the last one before it whose March
    begins with the same day of the week, as that follows from which Sunday it is; times are taken there, and brought back.
    """
    dtype, second = pa.timestamp(array.type.unit), encode.UNITS[array.type.unit]
    ends = pc.max(array.cast(pa.int64())).as_py()
    if ends is None or ends < second * (date(LAST_YEAR + 1, 1, 1) - date(1970, 1, 1)).days * 86400:
        return pc.local_timestamp(array)
    years = pc.fill_null(pc.year(array.cast(dtype)), LAST_YEAR).to_numpy()
    back = {year: _days_back(year) for year in np.unique(years).tolist()}
    shift = pa.array(np.array([back[year] for year in years.tolist()]) * (86400 * second), pa.duration(dtype.unit))
    return pc.add(pc.local_timestamp(pc.subtract(array, shift)), shift)


def _days_back(year: int) -> int:
    """Days from the year that a year after LAST_YEAR is like, to that; 0 of others."""
    march, like = date(min(year, 9999), 3, 1), date(min(year, LAST_YEAR), 3, 1)
    while like.weekday() != march.weekday():
        like = date(like.year - 1, 3, 1)
    return (march - like).days


def parsed(array: pa.Array, where: str) -> pa.Array:
    """The dates, times or times of day that strings say, in ISO 8601."""
    text = array.cast(pa.string())
    for read in WAYS:
        try:
            return read(text)
        except pa.ArrowInvalid:
            continue
    rows = [row for row in range(len(text)) if not any(_can(read, text.slice(row, 1)) for read in WAYS)]
    odd = f"{text[rows[0]].as_py()!r} in row {rows[0]}" if rows else "dates and times of several forms"
    raise ValueError(
        f"{where}: found {odd}, and the column is one of dates, such as 2024-02-29 or 2024-02-29 10:00:00. Mend that, or leave "
        "those rows out."
    )


def _can(read: Callable[[pa.Array], pa.Array], text: pa.Array) -> bool:
    try:
        read(text)
    except pa.ArrowInvalid:
        return False
    return True


WAYS: tuple[Callable[[pa.Array], pa.Array], ...] = (  # to read text
    lambda text: text.cast(pa.timestamp("us")),
    lambda text: text.cast(pa.timestamp("us", "UTC")),  # Its times have zones.
    lambda text: text.cast(pa.timestamp("ns")),
    lambda text: pc.binary_join_element_wise("1970-01-01", text, "T").cast(pa.timestamp("us")),  # times of day
)


def of_moment(moment: date, part: str) -> list[float]:
    """The numbers of a part of a date, or of a time without a zone; as `numbers_of`."""
    if part in PERIODS:
        found = OF_MOMENT[part.removesuffix("_cycle")](moment)
        return [table[found] for table in CYCLES[part]]
    if part == "years_since_2000":
        return [moment.year - 2000]
    day = first_day(part)
    if day is None:
        return [OF_MOMENT[part](moment)]
    days = float(moment.toordinal() - day.toordinal())
    if isinstance(moment, datetime):
        seconds = 3600 * moment.hour + 60 * moment.minute + moment.second
        days += (seconds + moment.microsecond / 10**6) / 86400
    return [days]


def numbers_of(array: pa.Array, part: str) -> list[np.ndarray]:
    """The numbers of a part, of times without a zone; where the type has no such part, as a date no hours, 0."""
    if part in PERIODS:
        found = _counted(array, part.removesuffix("_cycle"))
        return [table[found] for table in CYCLES[part]]
    if part == "years_since_2000":
        return [_counted(array, "year") - 2000]
    day = first_day(part)
    return (
        [_counted(array, part)]
        if day is None
        else [_days(array) - (np.datetime64(day) - np.datetime64(0, "D")).astype(int)]
    )


def _counted(array: pa.Array, part: str) -> np.ndarray:
    t = pa.types
    if (t.is_date(array.type) and part in OF_CLOCK) or (t.is_time(array.type) and part in OF_CALENDAR):
        return np.zeros(len(array), np.int64)
    return COUNTED[part](array).to_numpy()


def _days(array: pa.Array) -> np.ndarray:
    """Days since 1970-01-01, or the share of the day that has passed."""
    if pa.types.is_date(array.type):
        return array.cast(pa.date32()).cast(pa.int32()).to_numpy()
    count = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64()).to_numpy()
    return count / (86400 * encode.UNITS[array.type.unit])
