"""What users say of the columns of a table."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from fastsgd.sources.base import checked_floats, checked_integer
from fastsgd.sources.features import date_parts
from fastsgd.sources.spelling import KINDS

ENCODINGS = "hash", "one-hot", "error"
SPELLINGS = "text", *KINDS  # These are the kinds of categories.
KNOWN_KINDS = "number", "vector", "pairs", "tokens", "date", "words", *SPELLINGS
ANALYZERS = "word", "char", "char_wb"  # Units of texts of which n-grams consist.
AUTO = "auto"
N_HASHED, N_WORDS = 2**20, 2**18  # Features of hashed tokens; of the words of texts alone, with n_hashed="auto".
TARGET_NULLS = "error", "drop"
MAX_BINS = 100_000
FILLS = "mean", "median", "most_frequent"
# In place of `kinds`, this stands for those of the data themselves: for models that were trained before kinds were kept.
OWN = "own"


@dataclass
class Options:
    """The keywords of a table, checked: see `from_parquet`. `segment` is a column whose labels say of which segment rows are."""

    target: str | Sequence[str] | None = None
    weight: str | None = None
    segment: str | None = None
    columns: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    categorical: str = "hash"
    categorical_features: Sequence[str] = ()
    categories: Mapping[str, Sequence[Any]] | None = None
    kinds: Mapping[str, str] | str | None = None
    n_hashed: Any = N_HASHED
    alternate_sign: bool = True
    interactions: Sequence[Sequence[str]] = ()
    polynomial: int | None = None
    fill_null: float | str | Mapping[str, float | str | None] | None = None
    null_indicator: bool = False
    target_nulls: str = "error"
    bins: Mapping[str, int] | None = None
    log1p: Sequence[str] = ()
    text_features: str | Sequence[str] = AUTO
    ngram_range: tuple[int, int] = (1, 1)
    analyzer: str = "word"
    idf: bool | str = False
    learnt: Mapping[str, Mapping[str, Any]] | None = None
    dates: Any = "cyclic"
    time_zone: Any = None
    center: bool | Sequence[float] = False
    n_features: int | None = None
    na_values: Any = None  # This and the five after it are checked by `Formats`.
    thousands: Any = None
    decimal: Any = None
    percent: bool | None = None
    currency: bool | None = None
    date_format: Any = None
    dtype: Any = np.float32

    def __post_init__(self) -> None:
        if self.categorical not in ENCODINGS:
            raise ValueError(f"categorical must be one of {', '.join(ENCODINGS)}, got {self.categorical!r}.")
        self.fill_null = _checked_fill(self.fill_null)
        if self.target_nulls not in TARGET_NULLS:
            raise ValueError(f"target_nulls must be 'error' or 'drop', got {self.target_nulls!r}.")
        self.null_indicator = checked_bool("null_indicator", self.null_indicator)
        self.bins = _checked_bins(self.bins)
        self.log1p = column_names("log1p", self.log1p)
        _check_learnt(self.learnt)
        self.center = _checked_center(self.center)
        if not isinstance(self.weight, str | None):
            raise ValueError(f"weight must be the name of a column, got {self.weight!r}.")
        self.dtype = checked_floats(self.dtype)
        self.n_hashed = AUTO if self.n_hashed == AUTO else checked_integer("n_hashed", self.n_hashed)
        self.n_features = checked_integer("n_features", self.n_features, optional=True)
        self.alternate_sign = bool(self.alternate_sign)
        self.columns = None if self.columns is None else column_names("columns", self.columns)
        self.exclude = column_names("exclude", self.exclude)
        self.categorical_features = sorted(set(column_names("categorical_features", self.categorical_features)))
        self.kinds = _checked_kinds(self.kinds)
        self.dates = date_parts.checked(self.dates)
        zones = self.time_zone.values() if isinstance(self.time_zone, dict) else [self.time_zone]
        if not all(isinstance(zone, str | None) for zone in zones):
            raise ValueError(f"time_zone must be the name of a zone, such as 'Europe/Berlin', got {self.time_zone!r}.")
        if self.polynomial is not None and (isinstance(self.polynomial, bool) or self.polynomial != 2):
            raise ValueError(f"polynomial must be None or 2, for squares and products, got {self.polynomial!r}.")
        if not isinstance(self.text_features, str) or self.text_features != AUTO:
            self.text_features = column_names("text_features", self.text_features)
        self.ngram_range = _checked_range(self.ngram_range)
        if self.analyzer not in ANALYZERS:
            raise ValueError(f"analyzer must be one of {', '.join(ANALYZERS)}, got {self.analyzer!r}.")
        if self.idf != AUTO:
            self.idf = checked_bool("idf", self.idf)
        self.interactions = [tuple(column_names("interactions", pair)) for pair in self.interactions]

    @property
    def one_hot(self) -> bool:
        return self.categorical == "one-hot"

    @property
    def targets(self) -> list[str]:
        """The columns of targets."""
        if self.target is None:
            return []
        return [self.target] if isinstance(self.target, str) else column_names("target", self.target)

    @property
    def labels(self) -> list[str]:
        """The columns that say of a row what is no feature."""
        others = [name for name in (self.weight, self.segment) if name is not None]
        return list(dict.fromkeys(self.targets + others))

    def fill_of(self, name: str) -> float | str | None:
        """What is asked to stand for nulls of a column."""
        return self.fill_null.get(name) if isinstance(self.fill_null, dict) else self.fill_null

    @property
    def is_trained(self) -> bool:
        """Whether it is known what columns were in training."""
        return isinstance(self.kinds, dict)

    def of_kinds(self, kinds: Sequence[str]) -> list[str]:
        """The columns that were of those kinds in training, where that is known."""
        return [name for name, kind in self.kinds.items() if kind in kinds] if isinstance(self.kinds, dict) else []


OPTIONS = [field.name for field in fields(Options) if field.name != "segment"]


def column_names(argument: str, names: Any) -> list[str]:
    """A list of column names that a user gave."""
    if isinstance(names, str) or not np.iterable(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{argument} must be a list of column names, got {names!r}.")
    return list(names)


def checked_bool(argument: str, value: Any) -> bool:
    """True or False, as an argument must be; raises ValueError."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{argument} must be True or False, got {value!r}.")
    return bool(value)


def _checked_fill(fill: Any) -> Any:
    """What may stand for nulls, as JSON has it."""
    if isinstance(fill, Mapping):
        return {name: _checked_fill(value) for name, value in fill.items()}
    if isinstance(fill, np.integer | np.floating):
        fill = fill.item()
    if fill is None or _are_numbers([fill]) or (isinstance(fill, str) and fill in FILLS):
        return fill
    words = ", ".join(map(repr, FILLS))
    raise ValueError(
        f"fill_null must be None or a finite number, one of {words}, or a dict of columns to these, got {fill!r}."
    )


def _checked_bins(bins: Any) -> dict[str, int] | None:
    if bins is not None and not isinstance(bins, Mapping):
        raise ValueError(f"bins must be a dict of columns to numbers of bins, such as {{'age': 10}}, got {bins!r}.")
    return {name: checked_integer(f"bins of {name!r}", n, MAX_BINS) for name, n in (bins or {}).items()} or None


def _checked_range(sizes: Any) -> tuple[int, int]:
    """Sizes of the shortest and the longest n-grams."""
    try:
        least, most = map(operator.index, sizes)
    except (TypeError, ValueError):
        least, most = 0, 0
    if not 1 <= least <= most:
        raise ValueError(
            f"ngram_range must be two whole numbers from 1 on, the second not below the first, got {sizes!r}."
        )
    return least, most


def _check_learnt(learnt: Any) -> None:
    """ValueError where what the parts of `features` take for granted is not so; a file may say anything."""
    found = isinstance(learnt, dict | None) and all(isinstance(known, dict) for known in (learnt or {}).values())
    for known in (learnt or {}).values() if found else ():
        fill, edges = known.get("fill", 0.0), known.get("edges", [])
        found &= _are_numbers(fill if isinstance(fill, list) else [fill])
        found &= isinstance(edges, list) and _are_numbers(edges) and all(a < b for a, b in pairwise(edges))
    if not found:
        raise ValueError(f"learnt must be a dict by column, as reading_ has it, got {learnt!r:.200}.")


def _are_numbers(values: list[Any]) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in values)


def _checked_center(center: Any) -> bool | list[float]:
    """True or False, or what is taken off each number, as a model knows it."""
    if isinstance(center, bool | np.bool_):
        return bool(center)
    if not isinstance(center, list | tuple) or not _are_numbers(list(center)):
        raise ValueError(
            f"center must be True or False, or a list of finite numbers as reading_ has it, got {center!r}."
        )
    return [float(one) for one in center]


def _checked_kinds(kinds: Any) -> Any:
    if kinds is None or kinds == OWN:
        return kinds
    if not isinstance(kinds, dict) or any(kind not in KNOWN_KINDS for kind in kinds.values()):
        raise ValueError(
            f"kinds must be a dict of columns to one of {', '.join(KNOWN_KINDS)}, as reading_ has it, got {kinds!r}."
        )
    return kinds
