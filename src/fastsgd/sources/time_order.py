"""Whether rows are in the order of time, by a sample of a column. It imports pyarrow, and so is imported in functions alone."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

BATCH_VALUES, MAX_VALUES = 64, 512  # So many values of a batch of rows are looked at, and of all of them.
MIN_VALUES = 20  # Of fewer, the order may be chance.
NEARLY = 0.95  # Rows are nearly in order if of any two that differ the later one is later in so many of 100.
# Numbers count as times if one of these is a word of the column's name.
WORDS = {"date", "datetime", "time", "timestamp", "ts", "epoch", "year", "month", "week", "day"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Moments:
    """A sample of the values of a column of dates or times, in the order of the rows."""

    def __init__(self, field: pa.Field) -> None:
        self.seen: list[np.ndarray] = []
        dtype = field.type
        number = pa.types.is_integer(dtype) or pa.types.is_floating(dtype)
        named = any(word.lower() in WORDS for word in WORD.findall(field.name))
        self.wanted = pa.types.is_date(dtype) or pa.types.is_timestamp(dtype) or (number and named)

    def see(self, array: Any) -> None:
        """Take note of the values of a batch, none of which is null or NaN."""
        if self.wanted and len(array):
            places = np.unique(np.linspace(0, len(array) - 1, BATCH_VALUES).astype(np.int64))
            values = array.take(pa.array(places)).to_numpy(zero_copy_only=False)
            self.seen.append(values.astype("M8[us]").astype(np.int64) if values.dtype.kind == "M" else values)

    def order(self) -> str:
        """As `ColumnFound.order`."""
        values = np.concatenate(self.seen) if self.seen else np.empty(0)
        if len(values) < MIN_VALUES:
            return ""
        values = values[np.linspace(0, len(values) - 1, min(len(values), MAX_VALUES)).astype(np.int64)]
        later = np.sign(values[None, :] - values[:, None])[np.triu_indices(len(values), 1)]
        rises, differ = np.count_nonzero(later > 0), np.count_nonzero(later)
        if differ < len(values):  # All but a few values are the same.
            return ""
        return "rises" if rises >= NEARLY * differ else "falls" if rises <= (1 - NEARLY) * differ else ""


def in_time_order(orders: Mapping[str, str]) -> str:
    """What to do where rows are in the order of time, in words; empty where no column says that they are."""
    rising, falling = ([name for name, order in orders.items() if order == way] for way in ("rises", "falls"))
    advice = (
        "judge a model of rows to come by the latest of them (X_val), and see whether it does better with shuffle=False and "
        "half_life"
    )
    if rising:
        return f"the rows are in the order of {', '.join(rising)}: {advice}, which have them count most"
    if falling:
        return f"the latest rows come first, by {', '.join(falling)}: {advice}, once they are the other way round"
    return ""
