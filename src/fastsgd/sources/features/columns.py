"""Which columns of a table become which features, and where these are.

The features of numbers come first, in the order of the columns, then which of them were null, then products of numbers; then,
in rows of CSR, what lists of (index, value) name, one column for each category or bin, and last the space of hashed tokens.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.bins import Bins, BinsColumn
from fastsgd.sources.features.category import Categories, CategoryColumn, Crossed, Scaled, TokensColumn
from fastsgd.sources.features.dates import DateColumn, DateParts
from fastsgd.sources.features.kinds import Kinds
from fastsgd.sources.features.learning import MAX_ALL, MAX_VALUES
from fastsgd.sources.features.log1p import Log1p, LogColumn
from fastsgd.sources.features.missing import FilledColumn, Indicator, Missing
from fastsgd.sources.features.names import resolved
from fastsgd.sources.features.number import Number, NumberColumn, Polynomial, Product
from fastsgd.sources.features.options import AUTO, OWN, Options
from fastsgd.sources.features.pairs import Pairs, PairsColumn
from fastsgd.sources.features.part import Column, Part
from fastsgd.sources.features.prose import FirstRows
from fastsgd.sources.features.text import Text, TextColumn, found_text
from fastsgd.sources.features.vector import Vector, VectorColumn
from fastsgd.sources.rules import offer

REGISTRY: dict[str, tuple[type[Column], type[Part]]] = {  # How the cells of each kind are read, and what they become.
    "number": (NumberColumn, Number),
    "bins": (BinsColumn, Bins),
    "log1p": (LogColumn, Log1p),
    "vector": (VectorColumn, Vector),
    "date": (DateColumn, DateParts),
    "pairs": (PairsColumn, Pairs),
    "category": (CategoryColumn, Categories),
    "tokens": (TokensColumn, Categories),
    "words": (TextColumn, Text),
}
PRODUCTS = {0: Product, 1: Scaled, 2: Crossed}  # What two columns become, by how many of them are of categories.


class Columns:
    """The columns of one schema as features, target and weight.

    Parameters
    ----------
    schema : pyarrow.Schema
    where : str
        What has it, in errors.
    first : callable or None
        Gives the first rows of columns of the table, to see which are texts.
    **options
        Of `Options`.

    Attributes
    ----------
    features : list of str
        The columns that are features.
    needed : list of str
        All that are read.
    must_have : list of str
        Rows where one of these is null are left out.
    columns : dict of str to Column
        Those that are features.
    centers : list of float or None
        What is taken off each number of a row of CSR; None: nothing.
    parts : list of Part
        In the order of their features; set by `assign_places`.
    first_names : list of str
        The names of the features up to the first that has none, likewise.
    """

    def __init__(self, schema: pa.Schema, where: str, first: FirstRows | None = None, **options: Any) -> None:
        given = Options(**options)
        with encode.named(where):
            self.options = options = resolved(schema, where, given, first)
        self.features = list(options.columns)
        self.target, self.weight, self.segment = options.target, options.weight, options.segment
        self.targets, self.labels, self.dtype = options.targets, options.labels, options.dtype
        self.where, self.schema, self._kinds_of = where, schema, Kinds(options, where)
        self.must_have = self.targets if options.target_nulls == "drop" else []
        self.needed = list(dict.fromkeys(self.features + self.labels))
        self.types = {name: str(schema.field(name).type) for name in self.needed}
        self.kinds = {name: self._kinds_of.of(schema.field(name), name in self.features) for name in self.needed}
        self._check_kinds(where)
        self.columns = {name: self._column(schema.field(name)) for name in self.features}
        if given.text_features == AUTO and not given.is_trained:
            for name in options.text_features:
                self.columns[name].remark = found_text(name, where)
        self.spellings = {name: c.spelling for name, c in self.columns.items() if c.spelling is not None}
        known = [name for name, kind in self.kinds.items() if kind in ("category", "tokens") and name in self.columns]
        if unknown := [name for name in options.categories or () if name not in known]:
            raise ValueError(f"categories are given for {unknown}, which is no column of categories in {where}.")
        self.parts: list[Part] = []
        self.centers: list[float] | None = options.center if isinstance(options.center, list) else None

    def _column(self, field: pa.Field) -> Column:
        """A column that is a feature."""
        kind = self.kinds[field.name]
        if kind == "number":
            kind = "bins" if field.name in (self.options.bins or {}) else kind
            kind = "log1p" if field.name in self.options.log1p else kind
        return REGISTRY[kind][0](field, self.options)

    def _check_kinds(self, where: str) -> None:
        for name in self.features:
            if self.kinds[name] in ("category", "tokens") and self.options.categorical == "error":
                raise ValueError(
                    f"{where}: column {name!r} is of type {self.types[name]}. Leave it out (columns=), or set "
                    "categorical='hash' or 'one-hot'."
                )
        for name in {name for pair in self.options.interactions for name in pair}:
            if self.kinds[name] not in ("number", "category"):
                raise ValueError(f"interactions: {name!r} is of type {self.types[name]}, which has no products.")
        if self.weight is not None and self.kinds[self.weight] != "number":
            raise self._kinds_of.no_label(self.schema.field(self.weight))
        for name in self.labels:
            if self.kinds[name] not in ("number", "category"):
                raise self._kinds_of.no_label(self.schema.field(name))

    @contextmanager
    def explaining(self, batch: pa.RecordBatch) -> Iterator[None]:
        """An error from within about nulls of the batch says of all columns that have some, and what to do."""
        try:
            yield
        except Missing as error:
            raise error.told(batch, self.columns.values()) from None

    @property
    def booleans(self) -> list[str]:
        """The columns of true and false."""
        return [field.name for field in self.schema if pa.types.is_boolean(field.type)]

    def check(self, schema: pa.Schema, where: str) -> None:
        """That another file's schema is like the first one's, as far as it is read."""
        with encode.named(where):
            names = schema.names
            there = Counter(names)
        for name in self.needed:
            if there[name] != 1:
                raise ValueError(
                    f"{where} must have one column {name!r}, as the first file has; it has {offer(name, names)}"
                )
            dtype, kind, is_feature = schema.field(name).type, self.kinds[name], name in self.columns
            same = self._kinds_of.is_like(dtype, kind, self.spellings.get(name), is_feature, name)
            if not same or (
                encode.kind_of(dtype) == "vector" and dtype.list_size != self.schema.field(name).type.list_size
            ):
                raise ValueError(
                    f"{where}: column {name!r} is of type {dtype}, in the first file it is {self.types[name]}."
                )

    def of(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """A column of a batch, which may be a label; of the type of the schema where there are nulls alone."""
        array = batch.column(name)
        return array.cast(self.schema.field(name).type) if pa.types.is_null(array.type) else array

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of a batch that are to be seen: all, or those with a target."""
        missing = [found for name in self.must_have if (found := encode.absent(self.of(batch, name))) is not None]
        return encode.filtered(batch, ~np.logical_or.reduce(missing)) if missing else batch

    def refuses_nulls(self, name: str) -> bool:
        """Whether nulls of a column that is a feature are an error."""
        column = self.columns[name]
        return isinstance(column, FilledColumn) and column.fill is None

    # ------------------------------------------------------------ where they go
    @property
    def learnable(self) -> list[str]:
        """The columns that must be read once before `assign_places`."""
        return [name for name, column in self.columns.items() if column.learns]

    def in_place_of_learning(self) -> str:
        """In words, what would make it needless."""
        found = [column for column in self.columns.values() if column.learns]
        named = {c.instead: {other.name: 0.0 for other in found if other.instead == c.instead} for c in found}
        return "; ".join(words.replace("{}", str(names)) for words, names in named.items())

    def learn(self, batches: Iterable[tuple[str, pa.RecordBatch]]) -> None:
        """Read (where, batch) of the columns `learnable`."""
        found = [column for column in self.columns.values() if column.learns]
        samples = sum(column.n_samples for column in found)
        for column in found:
            column.most = min(MAX_VALUES, MAX_ALL // max(1, samples))
        for where, batch in batches:
            with encode.named(where):
                batch = self.kept(batch)
                for column in found:
                    column.see(column.typed(batch.column(column.name)))
        for column in found:
            column.finish()

    def assign_places(self, where: str) -> None:
        """Give each feature its place: sets `parts`, `n_dense`, `n_features`, `feature_names`, `first_names`, `sparse`."""
        parts = [REGISTRY[column.kind][1](column) for column in self.columns.values()]
        parts += [Indicator(column) for column in self.columns.values() if column.indicated]
        if self.options.polynomial is not None:
            numbers = [column for column in self.columns.values() if isinstance(column, NumberColumn)]
            parts.append(Polynomial(numbers, self.options.interactions))
        for pair in self.options.interactions:
            n_words = sum(isinstance(self.columns[name], CategoryColumn) for name in pair)
            parts.append(PRODUCTS[n_words](*(self.columns[name] for name in pair)))
        parts.sort(key=lambda part: (part.order, part.hashed))
        at = 0
        for part in parts:
            part.at, at = at, at + part.width
        hashed = [part for part in parts if part.hashed]
        for part in hashed:
            part.at = at
        self.parts, self.sparse = parts, not all(part.dense for part in parts)
        self.n_dense = sum(part.width for part in parts if part.dense)
        self.n_features = at + (self.options.n_hashed if hashed else 0)
        if self.n_features >= 2**31:
            raise ValueError(
                f"{where}: {self.n_features} features are more than 2**31 - 1. Hash the categories, or lower n_hashed."
            )
        if not self.n_features:
            raise ValueError(f"{where} has no features: its columns have no categories.")
        names = [part.names() for part in parts]
        named = list(takewhile(lambda one: one is not None, names))
        self.first_names = [name for one in named for name in one]
        self.feature_names = self.first_names if len(named) == len(names) else None

    # ------------------------------------------------------------ what is kept of them
    @property
    def categories(self) -> dict[str, list[str]]:
        """The categories of columns where they are known, in their order."""
        found = {name: column for name, column in self.columns.items() if self.kinds[name] in ("category", "tokens")}
        return {name: c.categories.to_pylist() for name, c in found.items() if c.categories is not None}

    def _learnt(self) -> dict[str, Any]:
        """What the pass before training has learnt, and what has asked for it; models without are as they were before."""
        found = {name: learnt for name, column in self.columns.items() if (learnt := column.learnt())}
        asked: dict[str, Any] = {"null_indicator": True} if self.options.null_indicator else {}
        asked |= {"bins": self.options.bins} if self.options.bins else {}
        logs = {"log1p": self.options.log1p} if self.options.log1p else {}
        return logs | asked | ({"learnt": found} if found or asked or self.options.learnt is not None else {})

    def _of_texts(self) -> dict[str, Any]:
        """How texts are read, where there are some."""
        options = self.options
        if not options.text_features:
            return {}
        how = {"ngram_range": list(options.ngram_range), "analyzer": options.analyzer, "idf": options.idf}
        return {"text_features": options.text_features} | how

    def describe(self) -> dict[str, Any]:
        """All that says which features and targets these are, in JSON values."""
        follows = "kinds", "first_names"  # These follow from the types of columns, which are said.
        said = {name: value for name, value in self.reading().items() if name not in follows}
        return said | {
            "columns": {name: self.types[name] for name in self.features},
            "target": self.target if isinstance(self.target, str | None) else list(self.target),
            "weight": self.weight,
            **({} if self.segment is None else {"segment": self.segment}),
            **({} if self.options.target_nulls == "error" else {"target_nulls": self.options.target_nulls}),
            "n_features": self.n_features,
        }

    def reading(self) -> dict[str, Any]:
        """The arguments that make the same features of other data; and the names of those before the ones without."""
        options = self.options
        kinds = {name: self.spellings.get(name, self.kinds[name]) for name in self.features}
        known = {"kinds": {name: kind for name, kind in kinds.items() if kind != "number"}}
        widths = [column.n_features for column in self.columns.values() if isinstance(column, PairsColumn)]
        return {
            "columns": list(self.features),
            "categorical": "one-hot" if options.one_hot else "hash",
            "categorical_features": options.categorical_features,
            "categories": self.categories,
            "n_hashed": options.n_hashed,
            "alternate_sign": options.alternate_sign,
            "interactions": [list(pair) for pair in options.interactions],
            **({} if options.polynomial is None else {"polynomial": options.polynomial}),
            "fill_null": options.fill_null,
            **({} if self.centers is None else {"center": self.centers}),
            **self._of_texts(),
            **self._learnt(),
            "n_features": max(widths, default=None),
            "dtype": self.dtype.name,
            **({} if options.kinds == OWN else known),
            **({} if self.feature_names is not None else {"first_names": self.first_names}),
            **self._reading_of_dates(),
        }

    def _reading_of_dates(self) -> dict[str, Any]:
        """What becomes of columns of dates, where there are any."""
        dates = {name: column for name, column in self.columns.items() if isinstance(column, DateColumn)}
        zones = {name: column.zone for name, column in dates.items() if column.zone is not None}
        return {"dates": {name: list(c.parts) for name, c in dates.items()}, "time_zone": zones} if dates else {}
