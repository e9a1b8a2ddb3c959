"""Which columns are free text, by their first rows."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources.spelling import is_text

SAMPLE_ROWS = 1000  # So many of the first rows say whether a column is one of text.
MIN_TEXTS = 20  # A column with fewer cells that are there is never taken for text.
MIN_DISTINCT = 0.9  # At least this share of the cells of a column of text are different.
MIN_WORDS = 4  # A text has at least so many words on average.
SAMPLE_TEXTS, SAMPLE_LENGTH = 200, 300  # Words are counted in so many cells, in the first so many characters of each.
# Alphabets without blanks between words: those of Thai, Lao, Burmese and Khmer, and of Chinese and Japanese.
DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
WORDLIKE = re.compile(r"[^\W\d_]{2}")
FirstRows = Callable[[list[str]], Any]  # The first rows of columns of a table, as a table or a batch of Arrow; or None.


def found_in(schema: pa.Schema, names: Iterable[str], first: FirstRows | None) -> list[str]:
    """Which of those columns are texts by their first rows, which `first` gives: all different, and of many words."""
    names = [name for name in names if schema.names.count(name) == 1 and is_text(schema.field(name).type)]
    names = [name for name in names if not pa.types.is_dictionary(schema.field(name).type)]
    rows = first(names) if first is not None and names else None
    return [name for name in names if rows is not None and is_prose(rows.column(name).slice(0, SAMPLE_ROWS))]


def is_prose(array: Any) -> bool:
    """Whether the cells of an array of strings are texts: nearly all different, and of many words."""
    array = array.cast(pa.large_string()).drop_null()  # Little is done with views of strings.
    if len(array) < MIN_TEXTS or pc.count_distinct(array).as_py() < MIN_DISTINCT * len(array):
        return False
    texts = pc.utf8_slice_codeunits(array, 0, SAMPLE_LENGTH).to_pylist()[:: -(-len(array) // SAMPLE_TEXTS)]
    return sum(map(_n_words, texts)) >= MIN_WORDS * len(texts)


def _n_words(text: str) -> int:
    """About how many words a text has: a name, a URL, an address of mail or a number of many parts is one, or none."""
    return sum(WORDLIKE.search(piece) is not None for piece in text.split()) + len(DENSE.findall(text)) // 2
