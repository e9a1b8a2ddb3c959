"""The numbers that a date or a time may become, and the words for them that `dates=` takes."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

# Parts that go round, and after how many units they are where they began. A sine and a cosine put neighbours beside each other,
# December and January too. A year has 365.25 days on average.
PERIODS = {"month_cycle": 12, "weekday_cycle": 7, "day_of_year_cycle": 365.25, "hour_cycle": 24}
OF_CLOCK = "hour", "minute", "hour_cycle"  # What a date has not.
OF_CALENDAR = (  # What a time of day has not.
    "year",
    "years_since_2000",
    "month",
    "day",
    "weekday",
    "day_of_year",
    "month_cycle",
    "weekday_cycle",
    "day_of_year_cycle",
)
PARTS = *OF_CALENDAR, *OF_CLOCK, "days"
# The year of "cyclic" is counted from 2000, so that it is of about the size of the other features also where columns are not
# standardised; those of "parts" are the numbers that pandas gives.
SETS = {
    "cyclic": ["years_since_2000", "month_cycle", "weekday_cycle", "day_of_year_cycle", "hour_cycle"],
    "parts": ["year", "month", "weekday", "day_of_year", "hour"],
    "days": ["days"],
}
REFUSED = "drop", "error"
SINCE = re.compile(r"days since (\d{4}-\d\d-\d\d)")


def first_day(part: str) -> date | None:
    """The day from which "days", or "days since 2020-01-01", counts; None of other parts.

    >>> first_day("days since 2020-01-01"), first_day("days"), first_day("month"), first_day("days since 2020-02-30")
    (datetime.date(2020, 1, 1), datetime.date(1970, 1, 1), None, None)
    """
    found = SINCE.fullmatch("days since 1970-01-01" if part == "days" else part)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def parts_of(rule: Any) -> list[str] | str:
    """The parts that a rule stands for, of columns that have them all; or "drop" or "error".

    >>> parts_of("parts"), parts_of(["year", "days since 2020-01-01"]), parts_of("drop")
    (['year', 'month', 'weekday', 'day_of_year', 'hour'], ['year', 'days since 2020-01-01'], 'drop')
    """
    if isinstance(rule, str):
        if rule in REFUSED:
            return rule
        parts = SETS.get(rule, [rule])
    else:
        parts = list(rule) if isinstance(rule, list | tuple) else []
    if not parts or not all(isinstance(part, str) and (part in PARTS or first_day(part)) for part in parts):
        raise ValueError(
            f"dates must be one of {', '.join(map(repr, [*SETS, *REFUSED]))}, a list of {', '.join(PARTS)} or 'days since "
            f"2020-01-01', or a dict of columns to one of these, got {rule!r}."
        )
    return list(dict.fromkeys(parts))


def checked(dates: Any) -> Any:
    """A rule of dates that a user gave, or a dict of columns to such."""
    if isinstance(dates, Mapping):
        return {name: parts_of(rule) for name, rule in dates.items()}
    return parts_of(dates)


def available(parts: list[str], is_date: bool, is_time: bool) -> list[str]:
    """Those of the parts that a date has, or a time of day; else all."""
    if is_date:
        return [part for part in parts if part not in OF_CLOCK]
    return [part for part in parts if part in OF_CLOCK or part == "days"] if is_time else parts


def same_parts(own: list[str], rule: Any) -> bool:
    """Whether a rule makes those parts of a column: all that it says, or all but those of clocks, or of calendars."""
    said = parts_of(rule)
    left = [part for part in said if part not in own] if isinstance(said, list) else []
    if isinstance(said, str) or [part for part in said if part in own] != list(own):
        return False
    return set(left) <= set(OF_CLOCK) or set(left) <= set(OF_CALENDAR)


def titles(part: str) -> list[str]:
    """What the features of a part are called, after the name of the column.

    >>> titles("month"), titles("month_cycle"), titles("days since 2020-01-01")
    (['month'], ['month_sin', 'month_cos'], ['days_since_2020-01-01'])
    """
    if part in PERIODS:
        name = part.removesuffix("_cycle")
        return [f"{name}_sin", f"{name}_cos"]
    return [part.replace(" ", "_")]
