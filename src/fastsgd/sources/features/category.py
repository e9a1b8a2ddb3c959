"""Columns of categories, of one in a cell or of lists of them, and what they become with another column."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources._tokens import hash_token, hash_tokens
from fastsgd.sources.features.options import SPELLINGS, Options
from fastsgd.sources.features.part import Batch, Column, Named, Part, Tokens
from fastsgd.sources.spelling import SPELLING, is_text, spelled, spelling_of


class CodedWords(NamedTuple):
    """The categories of the cells of a batch, each of which is there once or more often.

    Attributes
    ----------
    strings : pyarrow array
    codes : (n,) array or None
        Which of them each cell, or each place of lists, has; -1 for none. None: cell i has string i.
    starts : (n + 1,) array or None
        Where the list of each cell begins.
    """

    strings: pa.Array
    codes: np.ndarray | None
    starts: np.ndarray | None = None


class CategoryColumn(Column):
    """A category in each cell.

    Attributes
    ----------
    spelling : str or None
        What kind of value names them; None of lists.
    categories : pyarrow array or None
        All there are, of a column whose categories have features of their own.
    hashed : bool
        Whether they have none.
    has_null : bool
        Whether null is a category, too: it is a null among the strings.
    """

    kind = "category"
    instead = "give categories or n_features, or set categorical='hash'"

    def __init__(self, field: pa.Field, options: Options) -> None:
        super().__init__(field, options)
        self.spelling, self.categories = self.spelling_in(field, options), None
        given = (options.categories or {}).get(self.name)
        if given is not None:
            self.categories = spelled(pa.array(map(str, given), pa.string()), self.spelling or "text")
        self.hashed = not options.one_hot
        self.has_null = options.null_indicator and (self.hashed or bool(self.known.get("nulls")))
        self._asks = options.null_indicator and options.one_hot and options.learnt is None
        self.learns, self._seen = self._asks or (options.one_hot and given is None), None

    @staticmethod
    def spelling_in(field: pa.Field, options: Options) -> str | None:
        """As what the categories of a column are spelled: as in training, or else as the table says."""
        if options.is_trained:
            return options.kinds.get(field.name, "text")
        asked = (field.metadata or {}).get(SPELLING, b"").decode("ascii", "replace")
        return asked if asked in SPELLINGS and is_text(field.type) else spelling_of(field.type) or "text"

    def inner(self, array: pa.Array) -> tuple[np.ndarray | None, pa.Array]:
        """(starts of lists, an array of single categories)."""
        return None, array

    def read(self, array: pa.Array, where: str) -> CodedWords:
        starts, inner = self.inner(array)
        strings, codes = encode.words(inner, self.spelling)
        if self.has_null and codes is not None and (codes < 0).any():
            codes = np.where(codes < 0, np.array(len(strings), codes.dtype), codes)
            strings = pa.concat_arrays([strings, pa.nulls(1, strings.type)])
        return CodedWords(strings, codes, starts)

    def see(self, array: pa.Array) -> None:
        strings, codes, _ = self.read(array, self.name)
        if self._asks and not self.has_null:
            there = strings.is_valid().to_numpy(zero_copy_only=False)
            self.has_null = not (there if codes is None else np.append(there, False)[codes]).all()
        if self.categories is not None:
            return
        strings = strings if codes is None else strings.take(pa.array(np.unique(codes[codes >= 0])))
        strings = strings.cast(pa.large_string()).drop_null()
        self._seen = pc.unique(strings if self._seen is None else pa.concat_arrays([self._seen, strings]))
        self._seen.validate(full=True)

    def finish(self) -> None:
        super().finish()
        if self.categories is None:
            found = pa.array([], pa.string()) if self._seen is None else self._seen
            self.categories, self._seen = found.take(pc.array_sort_indices(found)), None

    def learnt(self) -> dict[str, Any]:
        return {"nulls": True} if self.has_null and not self.hashed else {}


class TokensColumn(CategoryColumn):
    """A list of categories in each cell."""

    kind = "tokens"

    def __init__(self, field: pa.Field, options: Options) -> None:
        super().__init__(field, options)
        self.has_null = self._asks = False  # A list that is null is one without categories.
        self.learns = options.one_hot and self.categories is None

    @staticmethod
    def spelling_in(field: pa.Field, options: Options) -> None:
        """Lists have text, or whole numbers, as they are."""
        return None

    def inner(self, array: pa.Array) -> tuple[np.ndarray, pa.Array]:
        return encode.lists(array)


class Categories(Part):
    """A feature for each category, or the token "column=category" among those that are hashed; of null "column is null"."""

    dense, order = False, 2

    def __init__(self, *columns: Column) -> None:
        super().__init__(*columns)
        self.options = columns[0].options
        words = [column for column in columns if isinstance(column, CategoryColumn)]
        self.words, self.hashed = words[0], any(column.hashed for column in words)
        self.null = f"{self.title} is null" if len(columns) == 1 and self.words.has_null else None
        self._prefix = f"{self.title}=".encode()
        self._feature_of: dict[str, int] | None = None  # What `of_cell` looks up: the feature of each known category.

    @property
    def width(self) -> int:
        return 0 if self.hashed else len(self.words.categories) + (self.null is not None)

    def names(self) -> list[str] | None:
        if self.hashed:
            return None
        return self._titled(self.words.categories) + ([] if self.null is None else [self.null])

    def tokens(self, batch: Batch) -> Tokens:
        words = batch.read(self.words)
        return Tokens(words.starts, *self.features_of(words.strings), words.codes)

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        kind, spelling = type(cell), self.words.spelling
        if cell is None:
            return self._feature_of_null()
        if kind is int and spelling == "numeral":
            cell = str(cell)
        elif kind is not str or spelling != "text" or not cell:
            return None
        if not self.hashed:
            if self._feature_of is None:
                self._feature_of = {word: self.at + i for i, word in enumerate(self.words.categories.to_pylist())}
            return self._feature_of.get(cell, -1), 1.0
        return self._hashed(self._prefix, cell.encode())

    def named(self, batch: Batch, wanted: np.ndarray | None = None) -> Named:
        strings, codes, _ = batch.read(self.words)
        if codes is not None:  # a dictionary may have words that no row has
            there = np.zeros(len(strings) + 1, bool)
            there[codes] = True
            strings = strings.filter(pa.array(there[:-1]))
        return self._named_of(strings, wanted)

    def _named_of(self, strings: pa.Array, wanted: np.ndarray | None) -> Named:
        index, values = self.features_of(strings)
        known = np.flatnonzero(index >= 0)
        known = known if wanted is None else known[wanted[index[known]]]
        return Named(self._titled(strings.take(pa.array(known))), index[known], values[known])

    def _titled(self, strings: pa.Array) -> list[str]:
        return [f"{self.title}={word}" if word is not None else self.null for word in strings.to_pylist()]

    def features_of(self, strings: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Feature and value of each category of an array: -1 for what is not among those that are known, as null may be."""
        if not self.hashed:
            known = self.words.categories.cast(strings.type)
            index = pc.fill_null(pc.index_in(strings, value_set=known), -1).to_numpy()
            index = np.where(index < 0, np.int32(-1), index + np.int32(self.at))
            values = np.ones(len(index), self.options.dtype)
        else:
            index, sign = hash_tokens(self._prefix, *encode.text_buffers(strings), self.options.n_hashed)
            index += np.int32(self.at)
            values = (sign if self.options.alternate_sign else np.ones_like(sign)).astype(self.options.dtype)
        if strings.null_count:
            absent = strings.is_null().to_numpy(zero_copy_only=False)
            index[absent], values[absent] = self._feature_of_null()
        return index, values

    def _feature_of_null(self) -> tuple[int, float]:
        """Feature and value of null; -1 where it is no category."""
        if self.null is None or not self.hashed:
            return (-1 if self.null is None else self.at + self.width - 1), 1.0
        return self._hashed(self.null.encode(), b"")

    def _hashed(self, prefix: bytes, word: bytes) -> tuple[int, float]:
        """Feature and value of a token."""
        index, sign = hash_token(prefix, word, self.options.n_hashed)
        return index + self.at, float(sign if self.options.alternate_sign else 1)


class Scaled(Categories):
    """Of a category and a number: the token "a:b=category" with the number as its value."""

    def tokens(self, batch: Batch) -> Tokens:
        number = next(column for column in self.columns if column is not self.words)
        return super().tokens(batch)._replace(factors=batch.read(number))

    def of_row(self, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
        number = next(column for column in self.columns if column is not self.words)
        factor, found = cells[number.name], self.of_cell(cells[self.words.name])
        if found is None or not isinstance(factor, float | int) or factor - factor != 0:
            return None
        return [(found[0], found[1] * number.value(factor))]


class Crossed(Categories):
    """Of two categories: the pair as a category, the token "a:b=first:second"."""

    @property
    def width(self) -> int:
        return 0 if self.hashed else len(self.columns[0].categories) * len(self.columns[1].categories)

    def names(self) -> list[str] | None:
        if self.hashed:
            return None
        first, second = (column.categories.to_pylist() for column in self.columns)
        return [f"{self.title}={a}:{b}" for a in first for b in second]

    def tokens(self, batch: Batch) -> Tokens:
        if self.hashed:
            return Tokens(None, *self.features_of(self._joined(batch)))
        a, b = (self._places(column, batch) for column in self.columns)
        index = a.astype(np.int64) * len(self.columns[1].categories) + b + self.at
        return Tokens(None, np.where((a < 0) | (b < 0), -1, index), np.ones(len(a), self.options.dtype))

    def named(self, batch: Batch, wanted: np.ndarray | None = None) -> Named:
        if not self.hashed:
            return Part.named(self, batch, wanted)
        return self._named_of(pc.unique(self._joined(batch)).drop_null(), wanted)

    def _joined(self, batch: Batch) -> pa.Array:
        """The pair of each row as a string."""
        both = [_row_words(batch.read(column)).cast(pa.large_string()) for column in self.columns]
        return pc.binary_join_element_wise(*both, pa.scalar(":", pa.large_string()))

    def _places(self, column: CategoryColumn, batch: Batch) -> np.ndarray:
        """Which of its categories each row has; -1 for none."""
        strings, codes, _ = batch.read(column)
        known = column.categories.cast(strings.type)
        found = pc.fill_null(pc.index_in(strings, value_set=known), -1).to_numpy()
        return found if codes is None else np.append(found, np.int32(-1))[codes]


def _row_words(words: CodedWords) -> pa.Array:
    """One string for each row."""
    strings, codes, _ = words
    return strings if codes is None else strings.take(pa.array(codes.astype(np.int64), mask=codes < 0))
