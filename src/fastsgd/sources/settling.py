"""The one error for all columns of a table that are not read as words in silence, and the keywords that settle it. It imports
pyarrow, and so is imported in functions alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from fastsgd.sources.formats import Formats
from fastsgd.sources.numerals import PLAIN, Numerals
from fastsgd.sources.odd_columns import Odd

GERMAN = Numerals(".", ",")


@dataclass
class Settling:
    """What is known of a table some of whose columns are odd.

    Attributes
    ----------
    odd : list of Odd
    formats : Formats
        What was given.
    features, targets : set of str
        The columns that are features and those that are targets; others are weights.
    numbers : list of str
        Columns that are read as numbers already.
    points : list of str
        Those among them that have fractions.
    text_of : function of a list of str
        The text of columns, by name.
    fills, drops : bool
        Whether it must be said what becomes of words for nothing among features and among targets.
    commas : bool
        Whether a comma is more likely a decimal mark, as where semicolons stand between cells.
    counting : str
        In words, how rows are counted.
    """

    odd: list[Odd]
    formats: Formats
    features: set[str]
    targets: set[str]
    numbers: list[str]
    points: list[str]
    text_of: Callable[[list[str]], Mapping[str, pa.Array]]
    fills: bool = True
    drops: bool = True
    commas: bool = False
    counting: str = ""

    def keywords(self) -> dict[str, Any]:
        """The keywords that settle it, beside those that were given."""
        words = [one for one in self.odd if one.is_words]
        others = [one for one in self.odd if not one.is_words]
        found: dict[str, Any] = self._marks({one.name: one.numerals for one in self._resolved(others)})
        if dates := {one.name: one.dates[0] for one in others if len(one.dates) > 1}:
            own = self.formats.date_format
            found["date_format"] = {**(own if isinstance(own, Mapping) else {}), **dates}
        if nothing := {one.name: one.nothing for one in others if one.nothing}:
            found["na_values"] = self._na_values(nothing)
            if self.fills and self.features & set(nothing):
                found |= {"fill_null": "mean", "null_indicator": True}  # That something is missing may say a lot.
            if self.drops and self.targets & set(nothing):
                found["target_nulls"] = "drop"
        if features := [one.name for one in words if one.name in self.features]:
            found["categorical_features"] = features
        if labels := [one.name for one in words if one.name not in self.features]:
            found["column_types"] = dict.fromkeys(labels, "string")
        return found

    def _resolved(self, odd: Sequence[Odd]) -> list[Odd]:
        """These; where 1,234 can be 1234 or a fraction, as the other columns have it."""
        fractions = self.commas or any(
            one.numerals.decimal == "," for one in odd if one.numerals is not None and not one.others
        )
        found = [one for one in odd if one.numerals is not None]
        for one in found:
            other = next((way for way in one.others if way.decimal == ","), None)
            if fractions and one.numerals.thousands == "," and other is not None:
                one.numerals, one.others = other, [one.numerals]
        return found

    def _na_values(self, nothing: Mapping[str, list[str]]) -> Any:
        own = self.formats.na_values
        if isinstance(own, Mapping):
            return {**own, **{name: [*own.get(name, ()), *words] for name, words in nothing.items()}}
        return list(dict.fromkeys([*own, *(word for words in nothing.values() for word in words)]))

    def _marks(self, wanted: Mapping[str, Numerals]) -> dict[str, Any]:
        """What says how the numbers of these columns are written."""
        found: dict[str, Any] = {}
        for mark in ("percent", "currency"):
            if any(getattr(way, mark) for way in wanted.values()) and not getattr(self.formats, mark):
                found[mark] = True
        ways = {name: (way.thousands, way.decimal) for name, way in wanted.items()}
        marked = {name: way for name, way in ways.items() if way != (PLAIN.thousands, PLAIN.decimal)}
        news = {name: way for name, way in marked.items() if not self._has(name, *way)}
        if not news:
            return found
        thousands = {way[0] for way in marked.values()} - {None}
        decimals = {way[1] for way in marked.values() if way[0] != "," or way[1] != "."}
        mine = self.formats
        if mine.thousands is None and mine.decimal is None and len(thousands) <= 1 and len(decimals) <= 1:
            whole = next(iter(thousands), None), next(iter(decimals), ".")
            if whole[1] == "." or (whole := self._beside_points(whole)):
                return found | _given(*whole)
        for at, mark in enumerate(("thousands", "decimal")):
            own = getattr(mine, mark)
            before = own if isinstance(own, Mapping) else {} if own is None else dict.fromkeys(self.numbers, own)
            if new := {
                name: way[at] for name, way in news.items() if way[at] not in (None, ".") or (at == 0 and way[at])
            }:
                found[mark] = {**before, **new}
        return found

    def _has(self, name: str, thousands: str | None, decimal: str) -> bool:
        """Whether what was given says so already."""
        given = self.formats.numerals(name)
        return thousands in (None, given.thousands) and decimal == given.decimal

    def _beside_points(self, way: tuple[str | None, str]) -> tuple[str | None, str] | None:
        """Marks for all columns, one of which has decimal commas; None where others have points that are no thousands."""
        if not self.points:
            return way
        texts = self.text_of(self.points)
        absent = self.formats.absent()
        for name in self.points:
            cells = texts[name].filter(
                pa.compute.invert(pa.compute.is_in(texts[name], pa.array(absent, texts[name].type)))
            )
            if GERMAN.read(cells).null_count:
                return None
        return (".", ",") if way[0] in (None, ".") else None


def _given(thousands: str | None, decimal: str) -> dict[str, str]:
    found = {} if thousands is None else {"thousands": thousands}
    return found | ({"decimal": decimal} if decimal != "." else {})


def error_of(settling: Settling, path: str, row: Callable[[int], int]) -> ValueError:
    """The error that says what is odd, and what to do; row(number) is the number that users know that row by."""
    keywords = settling.keywords()
    listed = "; ".join(_in_words(one, row) for one in settling.odd)
    said = f"{path}: {listed}{settling.counting}."
    if keywords:
        flags = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
        hints = dict.fromkeys(filter(None, map(_hint, settling.odd)))
        said += f" Set {flags}{''.join(f' ({hint})' for hint in hints)}."
    words = [one.name for one in settling.odd if one.name in settling.features and not one.is_words]
    if words:
        said += f" Columns of names rather than of numbers or dates are categories: categorical_features={words!r}."
    labels = [one.name for one in settling.odd if one.name not in settling.features and not one.is_words]
    if labels:
        said += f" A target of words is one by column_types={dict.fromkeys(labels, 'string')!r}."
    return ValueError(said)


def _in_words(one: Odd, row: Callable[[int], int]) -> str:
    cells = ", ".join(f"{cell!r} (row {row(at)})" for at, cell in one.cells)
    if len(one.dates) > 1:
        return f"column {one.name!r} is one of dates whose day or month may come first, such as {cells}"
    if not one.nothing and not one.is_words:
        return f"column {one.name!r} is one of {one.what} that are written as {cells}"
    return f"column {one.name!r} is nearly one of {one.what}, and has {cells}"


def _hint(one: Odd) -> str | None:
    """In words, what else the keywords may be."""
    if len(one.dates) > 1:
        return f"or date_format={ {one.name: one.dates[1]}!r}"
    if one.numerals is not None and any(way.decimal == "," for way in one.others):
        return "or decimal=',' if these are fractions"
    return None
