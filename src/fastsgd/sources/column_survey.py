"""What is in each column of a table, and what training makes of it. It imports pyarrow, and so is imported in functions alone."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources.features.prose import SAMPLE_ROWS, is_prose
from fastsgd.sources.spelling import is_text, spelling_of
from fastsgd.sources.time_order import Moments, in_time_order

SURVEY_ROWS = 100_000  # So many rows are looked at where nobody says how many.
MAX_DISTINCT = 1_000_000  # Different values of a column are counted up to this many.
MIN_ID_ROWS = 20  # A column of fewer rows than this that are all distinct need not be one of ids.
MAX_ID_SPREAD = 10  # Whole numbers that are all distinct are ids if they lie as close as one in this many.
MAX_FAR, MOST_VARIANCE = 10, 0.99  # So few numbers with so much of the variance are far from the others.
MIN_TAIL_ROWS, TAIL_SHARE, TAIL_VARIANCE = 200, 0.01, 0.4  # So much of the variance in so few rows is a heavy tail.
MAX_EXAMPLE, MAX_NAMED = 30, 6  # Characters of an example, and features that are named.
HEAD = "column", "kind", "nulls", "distinct", "example", "training makes of it"


@dataclass(frozen=True)
class ColumnFound:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        "number", "category", "boolean", "date", "text", "list", "constant", "id" (all distinct), "empty", or "bytes", which is
        text that is not UTF-8.
    type : str
        Arrow's.
    role : str
        "feature", "target", "weight", "segment", or "left out".
    nulls : float
        The share of rows without a value, or with NaN.
    n_distinct : int or None
        Different values, in the rows that were looked at; None of lists.
    example : str
        The first value that is there.
    becomes : str
        What training makes of it, in words.
    note : str
        What to think of, in words; empty where there is nothing.
    order : str
        Of dates and times, and of numbers with such a name: "rises" where rows are in their order, or nearly, "falls" where the
        latest come first; else empty.
    """

    name: str
    kind: str
    type: str
    role: str
    nulls: float
    n_distinct: int | None
    example: str
    becomes: str
    note: str = ""
    order: str = ""


class ColumnSurvey(Sequence[ColumnFound]):
    """The columns of a table: what `source.columns_` gives and ``fastsgd inspect`` prints.

    Attributes
    ----------
    n_rows : int
        Rows that were looked at.
    whole : bool
        Whether these are all.
    n_features : int or None
        How many features the columns become; None where that is not known.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastsgd.sources import from_arrow
    >>> table = pa.table({"late": [1, 0, 1], "miles": [2.0, 3.0, 4.0], "from": ["JFK", "LGA", None]})
    >>> survey = from_arrow(table, target="late").columns_
    >>> [(column.name, column.kind, column.role) for column in survey]
    [('late', 'number', 'target'), ('miles', 'number', 'feature'), ('from', 'category', 'feature')]
    >>> print(survey["from"].becomes)
    hashed
    """

    def __init__(self, columns: Iterable[ColumnFound], n_rows: int, whole: bool, n_features: int | None = None) -> None:
        self._columns = {column.name: column for column in columns}
        self.n_rows, self.whole, self.n_features = n_rows, whole, n_features

    def __getitem__(self, key: Any) -> Any:
        return self._columns[key] if isinstance(key, str) else list(self._columns.values())[key]

    def __len__(self) -> int:
        return len(self._columns)

    def of_all(self) -> "ColumnSurvey":
        """The same, of rows that are all."""
        return ColumnSurvey(self, self.n_rows, True, self.n_features)

    @property
    def title(self) -> str:
        """What was looked at, in words."""
        rows = f"{'' if self.whole else 'a sample of '}{self.n_rows:,} rows"
        return f"{rows}, {len(self)} columns" + ("" if self.n_features is None else f", {self.n_features:,} features")

    def cells(self) -> list[tuple[str, ...]]:
        """The lines of the table, as HEAD names their cells."""
        return [
            (
                c.name,
                c.kind if c.role == "feature" else f"{c.kind} ({c.role})",
                f"{c.nulls:.1%}" if c.nulls else "",
                "" if c.n_distinct is None else f"{c.n_distinct:,}",
                c.example,
                c.becomes,
            )
            for c in self
        ]

    def notes(self, of_order: bool = True) -> list[str]:
        """What to think of: a line for each column that has a note, and one if rows are in the order of time."""
        said = in_time_order({c.name: c.order for c in self if c.role != "target"}) if of_order else ""
        return [f"{c.name}: {c.note}" for c in self if c.note] + [said] * (said != "")

    def as_dicts(self) -> list[dict[str, Any]]:
        """A dict of JSON values for each column."""
        return [asdict(column) for column in self]

    def __str__(self) -> str:
        lines = [HEAD, *self.cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.title, *table, *(f"note: {note}" for note in self.notes())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        lines = "".join(row(line, "td") for line in self.cells())
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes())
        return f"<table><caption>{html.escape(self.title)}</caption>{row(HEAD, 'th')}{lines}</table>{notes}"

    def summary(self) -> str:
        """In one line: how many columns of each kind there are, which is the target, and what is left out."""
        features = [c for c in self if c.role == "feature"]
        counts = {kind: sum(c.kind == kind for c in features) for kind in dict.fromkeys(c.kind for c in features)}
        parts = [f"{n} {PLURALS[kind] if n > 1 else kind}" for kind, n in counts.items()]
        nulls = sum(c.nulls > 0 for c in features)
        said = f"{len(features)} column{'s' * (len(features) != 1)}: {', '.join(parts)}"
        said += f"; {nulls} with nulls" * (nulls > 0)
        targets = ", ".join(f"{c.name} ({_of_target(c)})" for c in self if c.role == "target")
        left = [c.name for c in self if c.role == "left out"]
        said += f"; left out: {_listed(left)}" if left else ""
        return f"target {targets}; {said}" if targets else said


PLURALS = {
    "number": "numbers",
    "category": "categories",
    "boolean": "booleans",
    "date": "dates",
    "text": "texts",
    "list": "lists",
    "constant": "constants",
    "id": "ids",
    "empty": "empty",
}


def _of_target(column: ColumnFound) -> str:
    return f"{column.n_distinct:,} values" if column.n_distinct else column.kind


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:MAX_NAMED]) + f" and {len(words) - MAX_NAMED} others" * (len(words) > MAX_NAMED)


class Tally:
    """What the cells of a column are, as far as they have been seen."""

    def __init__(self, field: pa.Field) -> None:
        self.field, self.rows, self.nulls, self.example = field, 0, 0, ""
        self.seen: pa.Array | None = None
        self.low = self.high = None
        counted = spelling_of(field.type) is not None or encode.kind_of(field.type) in ("number", "date")
        self.numbers: list[np.ndarray] = []
        self.countable = counted or pa.types.is_null(field.type)
        self.moments = Moments(field)

    def see(self, array: pa.Array) -> None:
        """Take note of the cells of a batch."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string_view(array.type):
            array = array.cast(pa.large_string())  # Little is done with views of strings.
        self.rows += len(array)
        there = array.drop_null()
        if pa.types.is_floating(there.type):
            there = there.filter(pc.invert(pc.is_nan(there)))
        self.nulls += len(array) - len(there)
        self.moments.see(there)
        if len(there) and not self.example:
            first = there[0].as_py()
            self.example = _shortened(f"{first:.6g}" if isinstance(first, float) else str(first))
        if self._measured and len(there) and sum(map(len, self.numbers)) < SURVEY_ROWS:
            self.numbers.append(there.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        if self.countable and len(there) and (self.seen is None or len(self.seen) < MAX_DISTINCT):
            new = pc.unique(there)
            self.seen = new if self.seen is None else pc.unique(pa.concat_arrays([self.seen, new.cast(self.seen.type)]))

    @property
    def _measured(self) -> bool:
        """Whether its values are kept to be measured."""
        dtype = self.field.type
        return pa.types.is_floating(dtype) or pa.types.is_integer(dtype)

    @property
    def heavy(self) -> float | None:
        """The share of the variance that the largest numbers make, TAIL_SHARE of all; None if usual, or if some are below 0."""
        values = np.sort(np.concatenate(self.numbers)) if self.numbers else np.zeros(0)
        values = values[: np.searchsorted(values, np.inf)]
        if len(values) < MIN_TAIL_ROWS or values[0] < 0 or values[-1] == 0 or len(np.unique(values)) < MIN_ID_ROWS:
            return None
        squares = (values / values[-1] - np.mean(values / values[-1])) ** 2
        share = squares[-round(TAIL_SHARE * len(values)) :].sum() / squares.sum()
        return share if share > TAIL_VARIANCE else None

    @property
    def far(self) -> tuple[int, float] | None:
        """How many of the numbers have MOST_VARIANCE of all, and the farthest, where these are a few; None if usual."""
        values = np.concatenate(self.numbers) if self.numbers else np.zeros(0)
        values = values[np.isfinite(values)]
        largest = abs(values).max(initial=0.0)
        if len(values) < MIN_TAIL_ROWS or not largest:
            return None
        squares = (values / largest - np.mean(values / largest)) ** 2
        order = np.argsort(-squares, kind="stable")
        n = int(np.searchsorted(np.cumsum(squares[order]), MOST_VARIANCE * squares.sum())) + 1
        rest = values[order[n:]]
        return None if n > MAX_FAR or rest.min() == rest.max() else (n, float(values[order[0]]))

    @property
    def n_distinct(self) -> int | None:
        """Different values that have been seen; None of what is not counted."""
        return None if not self.countable else 0 if self.seen is None else min(len(self.seen), MAX_DISTINCT)

    @property
    def all_distinct(self) -> bool:
        """Whether there are as many values as rows, and more than a few."""
        return self.rows - self.nulls >= MIN_ID_ROWS and self.n_distinct == self.rows - self.nulls

    def kind(self, read_as: str | None = None) -> str:
        """The kind of the column, in the words of ColumnFound; `read_as` is the one that training takes it for."""
        dtype = self.field.type
        if self.rows and self.nulls == self.rows:
            return "empty"
        if read_as == "words":
            return "text"
        if self.n_distinct == 1 and self.rows > 1:
            return "constant"
        if pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype):
            return "bytes"
        if not self.countable or encode.kind_of(dtype) in ("vector", "pairs", "tokens"):
            return "list"
        if read_as is None and is_text(dtype) and is_prose(self.seen.slice(0, SAMPLE_ROWS)):
            return "text"
        if self.all_distinct and self._names_rows():
            return "id"
        if read_as in ("category", "date"):
            return read_as
        value = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
        if pa.types.is_boolean(value):
            return "boolean"
        if is_text(dtype) or pa.types.is_dictionary(dtype):
            return "category"
        return "date" if encode.kind_of(dtype) == "date" else "number"

    def _names_rows(self) -> bool:
        """Whether values that are all distinct are names of rows: text, or whole numbers side by side."""
        if is_text(self.field.type):
            return True
        if spelling_of(self.field.type) != "numeral" or not pc.all(pc.equal(pc.floor(self.seen), self.seen)).as_py():
            return False
        ends = pc.min_max(self.seen).as_py()
        return ends["max"] - ends["min"] < MAX_ID_SPREAD * len(self.seen)


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_EXAMPLE else f"{text[: MAX_EXAMPLE - 3]}..."


def survey(schema: pa.Schema, batches: Iterable[pa.RecordBatch], columns: Any = None) -> ColumnSurvey:
    """What is in the columns of these batches, which are a sample.

    Parameters
    ----------
    schema : pyarrow.Schema
    batches : iterable of RecordBatch
    columns : Columns or None
        What training makes of them; None where that is not known.
    """
    tallies = {field.name: Tally(field) for field in schema}
    n_rows = 0
    for batch in batches:
        n_rows += len(batch)
        for name, tally in tallies.items():
            if name in batch.schema.names:
                tally.see(batch.column(name))
    found = (_found(tally, columns) for tally in tallies.values())
    return ColumnSurvey(found, n_rows, False, None if columns is None else columns.n_features)


def _found(tally: Tally, columns: Any) -> ColumnFound:
    name, dtype = tally.field.name, str(tally.field.type)
    role = "feature" if columns is None else _role(name, columns)
    kind = tally.kind(None if columns is None else columns.kinds.get(name))
    nulls = tally.nulls / tally.rows if tally.rows else 0.0
    becomes = "" if columns is None or role != "feature" else _becomes(name, columns)
    if nulls and becomes and (fill := getattr(columns.columns[name], "fill", None)) is not None:
        becomes += f"; nulls are {fill:.4g}" if isinstance(fill, float | int) else "; nulls are filled"
    note = _note(tally, kind, role, columns)
    return ColumnFound(
        name, kind, dtype, role, nulls, tally.n_distinct, tally.example, becomes, note, tally.moments.order()
    )


def _role(name: str, columns: Any) -> str:
    if name in columns.targets:
        return "target"
    for role in ("weight", "segment"):
        if name == getattr(columns, role):
            return role
    return "feature" if name in columns.features else "left out"


def _becomes(name: str, columns: Any) -> str:
    """What training makes of a column that is a feature, in words."""
    own = [
        part for part in columns.parts if name in {column.name for column in part.columns} and len(part.columns) == 1
    ]
    words = [part.becomes() for part in own]
    crossed = sum(name in {c.name for c in pair} for part in columns.parts for pair in part.pairs)
    if crossed:
        words.append(f"{crossed} product{'s' * (crossed > 1)} with others")
    return "; ".join(dict.fromkeys(words))


def _of_words(tally: Tally) -> bool:
    """Whether most cells that are all distinct have several words, though they do not look like prose."""
    if not is_text(tally.field.type):
        return False
    several = pc.match_substring_regex(tally.seen.slice(0, SAMPLE_ROWS), r"\S\s+\S+\s+\S")
    return bool(pc.mean(several).as_py() > 0.5)


def _note(tally: Tally, kind: str, role: str, columns: Any) -> str:
    name = tally.field.name
    if role == "target":
        if tally.nulls and (columns is None or columns.options.target_nulls == "error"):
            return "nulls in the target are an error: target_nulls='drop' leaves these rows out"
        return "the target is the same in all of these rows" if kind == "constant" else ""
    if role != "feature":
        return ""
    if kind == "id":
        if _of_words(tally):
            return (
                f"all distinct, and of several words each: text_features=[{name!r}] makes features of the words; as it is, each "
                "cell is a category of its own, which says nothing of other rows"
            )
        return f"all distinct, like an id, which says nothing of other rows: exclude=[{name!r}] leaves it out"
    told = columns is not None and columns.options.null_indicator  # Then it says where there is something.
    if kind == "empty" or (kind == "constant" and not (tally.nulls and told)):
        return f"it says nothing: exclude=[{name!r}] leaves it out"
    refused = tally.nulls and columns is not None and columns.refuses_nulls(name)
    notes = ["nulls are an error: fill_null='mean' fills them"] if refused else []
    as_number = columns is None or (name in columns.columns and columns.columns[name].kind == "number")
    if kind == "number" and as_number and (share := tally.heavy) is not None:
        notes.append(
            f"{share:.0%} of its variance is in {TAIL_SHARE:.0%} of the rows: log1p=[{name!r}] takes the logarithm, of which "
            "more is learnt where the effect is one of proportions"
        )
    elif kind == "number" and as_number and (far := tally.far) is not None:
        notes.append(
            f"{far[0]} of its values, such as {far[1]:.6g}, {'has' if far[0] == 1 else 'have'} {MOST_VARIANCE:.0%} of its "
            "variance, beside which the others hardly differ: correct them, or leave their rows out, if they are mistakes"
        )
    return "; ".join(notes)
