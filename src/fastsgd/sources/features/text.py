"""Columns of free text, whose words are features."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources._tokens import hash_tokens
from fastsgd.sources._words import count_texts, count_words, name_words, weigh
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Batch, Column, Named, Part, Tokens

WORD_BYTES, FEATURE_BYTES = (
    6,
    8,
)  # A word with a blank takes about 6 bytes, a feature 4 for its place and 4 for its value.


class TextColumn(Column):
    """A text in each cell, of no words where it is null.

    Attributes
    ----------
    how : dict
        Keywords of `count_words`. The words of all but the first column of text are shifted to other features, as the same
        word may mean another thing there.
    """

    kind, instead = "words", "set idf=False"

    def __init__(self, field: pa.Field, options: Options) -> None:
        super().__init__(field, options)
        name, is_first = field.name, field.name == options.text_features[0]
        self.how = {
            "analyzer": options.analyzer,
            "ngram_range": options.ngram_range,
            "n_features": options.n_hashed,
            "alternate_sign": options.alternate_sign,
            "shift": 0 if is_first else int(self._hashed(pa.array([name]), options.n_hashed)[0][0]),
        }
        self.learns = options.idf and not self.known
        self._n_texts, self._totals = 0, np.zeros(options.n_hashed if self.learns else 0, np.int64)
        self._weights: np.ndarray | None = None
        self._check_known()

    def _check_known(self) -> None:
        """ValueError where what a file says of texts can't have been learnt of them."""
        if not self.known:
            return
        n, index, counts = (self.known.get(key) for key in ("texts", "features", "texts_with"))
        numbers = [n, *index, *counts] if isinstance(index, list) and isinstance(counts, list) else [None]
        if (
            not all(type(one) is int and 0 <= one < 2**53 for one in numbers)
            or len(index) != len(counts)
            or max(index, default=0) >= self.options.n_hashed
            or max(counts, default=0) > n
        ):
            raise ValueError(f"learnt: what it says of {self.name!r} is not how often words are in texts.")

    def read(self, array: pa.Array, where: str) -> pa.Array:
        """An array of strings without nulls."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if not pa.types.is_string(array.type):
            array = array.cast(pa.large_string())
        return pc.fill_null(array, "") if array.null_count else array

    def row_bytes(self, text: float) -> float:
        """About how many bytes a text of that many bytes takes, with its features."""
        units = text / (WORD_BYTES if self.how["analyzer"] == "word" else 1)
        return text + FEATURE_BYTES * units * (self.how["ngram_range"][1] - self.how["ngram_range"][0] + 1)

    # ------------------------------------------------------------ how rare words are
    def see(self, array: pa.Array) -> None:
        _, index, _ = count_words(*encode.text_buffers(self.read(array, self.name)), **self.how)
        count_texts(index, self._totals)
        self._n_texts += len(array)

    def finish(self) -> None:
        super().finish()
        seen = np.flatnonzero(self._totals)
        self.known = {"texts": self._n_texts, "features": seen.tolist(), "texts_with": self._totals[seen].tolist()}
        self._totals = np.zeros(0, np.int64)

    def learnt(self) -> dict[str, Any]:
        return self.known

    @property
    def weights(self) -> np.ndarray:
        """By which the features of words are multiplied, as by TfidfTransformer; of no length where they are not."""
        if self._weights is None:
            totals = np.zeros(self.options.n_hashed if self.known else 0)
            if self.known:
                totals[np.asarray(self.known["features"], np.int64)] = self.known["texts_with"]
                totals = np.log((1 + self.known["texts"]) / (1 + totals)) + 1
            self._weights = totals.astype(self.options.dtype)
        return self._weights

    # ------------------------------------------------------------ words
    @staticmethod
    def _hashed(strings: pa.Array, n: int) -> tuple[np.ndarray, np.ndarray]:
        return hash_tokens(b"", *encode.text_buffers(strings), n)

    def features_of(self, array: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, features among those that are hashed, values) of rows of length 1."""
        starts, index, counts = count_words(*encode.text_buffers(array), **self.how)
        values = np.empty(len(index), self.options.dtype)
        weigh(starts, index, counts, self.weights, True, values)
        return starts, index, values

    def words_of(self, array: pa.Array, wanted: np.ndarray | None) -> tuple[list[str], np.ndarray, np.ndarray]:
        """(words, their features, signs) of texts, each word once; of the features that are wanted alone."""
        wanted = None if wanted is None else np.ascontiguousarray(wanted).view(np.uint8)
        ends, text = name_words(*encode.text_buffers(array), wanted, **self.how)
        words = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
        words = pc.unique(words)
        index, sign = self._hashed(words, self.options.n_hashed)
        index = (index.astype(np.int64) + self.how["shift"]) % self.options.n_hashed
        return words.to_pylist(), index, sign if self.options.alternate_sign else np.ones_like(sign)


class Text(Part):
    """The words of a text, or its n-grams, among the features of hashed tokens; a row has length 1 in them."""

    dense, hashed, order = False, True, 2

    @property
    def width(self) -> int:
        return 0

    def names(self) -> None:
        return None

    def becomes(self) -> str:
        column, (least, most) = self.columns[0], self.columns[0].how["ngram_range"]
        units = "words" if column.how["analyzer"] == "word" else "characters"
        what = units if (least, most) == (1, 1) else f"{units}, {least} to {most} together"
        return f"{what}, {super().becomes()}"

    def tokens(self, batch: Batch) -> Tokens:
        starts, index, values = self.columns[0].features_of(batch.read(self.columns[0]))
        return Tokens(starts, index + np.int32(self.at), values)

    def named(self, batch: Batch, wanted: np.ndarray | None = None) -> Named:
        column = self.columns[0]
        own = None if wanted is None else wanted[self.at : self.at + column.options.n_hashed]
        words, index, sign = column.words_of(batch.read(column), own)
        return Named([f"{self.title}={word}" for word in words], index + self.at, sign)


def found_text(name: str, where: str) -> str:
    """The remark about a column that was seen to be text, and where that was."""
    return (
        f"{where}: column {name!r} has other words in each row, and is read as text, by its words: "
        f"text_features=[{name!r}] says so. categorical_features=[{name!r}] makes each text a category."
    )
