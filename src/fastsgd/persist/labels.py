"""The rule of what a model file holds of labels."""

from itertools import pairwise

import numpy as np

from fastsgd.persist.rules import FLOATS, pop
from fastsgd.persist.values import brief

LABELS = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", *FLOATS)
# One long label makes an array of strings large: labels may take LABEL_BYTES, or LABEL_LETTER_BYTES for each of their letters.
LABEL_BYTES, LABEL_LETTER_BYTES = 1 << 27, 16


class Labels:
    """classes_: sorted, no two of them the same, and of a dtype that a file can hold."""

    least = 2

    def put(self, name, value, parts):
        dtype = getattr(value, "dtype", np.dtype("V"))
        strings = dtype.kind == "U"
        if not (strings or dtype.kind == "O" or dtype.name in LABELS):
            raise ValueError(f"{name} must be an array of numbers, bools or strings, found {brief(value)}")
        listed = [v.item() if isinstance(v, np.generic) else v for v in value.tolist()]
        packed = {"dtype": "str" if strings else value.dtype.name, "values": listed}
        self.made(name, packed, parts.sizes)
        parts.values[name] = packed

    def take(self, name, parts):
        return self.made(name, pop(parts, name, dict), parts.sizes)

    def made(self, name, packed, sizes):
        """The array that a file describes."""
        dtype, values = packed.get("dtype"), packed.get("values")
        if set(packed) != {"dtype", "values"} or type(values) is not list or dtype not in ("str", "object", *LABELS):
            raise ValueError(f"{name} must have a dtype and values, found {brief(packed)}")
        kinds = {type(v) for v in values}
        kind = str if dtype in ("str", "object") else {"b": bool, "f": float}.get(np.dtype(dtype).kind, int)
        if not kinds <= {kind}:
            raise ValueError(f"{name} is of dtype {dtype}, but has values {brief(values)}")
        if len(values) < self.least or not all(a < b for a, b in pairwise(values)):
            raise ValueError(f"{name} must be at least {self.least}, sorted, each once, found {brief(values)}")
        letters = [len(value) for value in values] if dtype == "str" else [0]
        limit = max(LABEL_BYTES, LABEL_LETTER_BYTES * sum(letters))
        if 4 * len(values) * max(letters) > limit:
            raise ValueError(
                f"{name} has a label so long that they take more than {limit} bytes as an array: give y as one of dtype object"
            )
        out = np.array(values, dtype=dtype)
        if out.tolist() != values:
            raise ValueError(f"{name} must be of dtype {dtype}, found {brief(values)}")
        self.sized(out, sizes)
        return out

    def sized(self, out, sizes):
        """Set the sizes that they are."""
        sizes["C"], sizes["K"] = len(out), 1 if len(out) == 2 else len(out)
