"""How each kind of attribute is written, and what it must be when it is read; the attributes themselves are in tables.py.

A rule has `put(name, value, parts)` and `take(name, parts)`. Both check, so that nothing is written that could not be
read. In shapes, d is the number of features, K of heads, S of columns of the weights, and C of classes.
"""

import math
from dataclasses import MISSING, dataclass, fields
from functools import partial

import numpy as np
import scipy.sparse as sp

from fastsgd.persist.values import Code, brief, expect, pack, unpack

FLOATS = ("float32", "float64")
PIECE = 1 << 16  # numbers that are checked at once


class Sizes(dict):
    """The sizes d, K, S, C, as they become known; "W" is the dtype of the weights."""

    def same(self, symbol, found):
        """Whether a size found in an array is the one known; what is not known yet becomes known."""
        return found == (
            self.size(symbol) if symbol == "S" or isinstance(symbol, int) else self.setdefault(symbol, found)
        )

    def size(self, symbol):
        """The size in words, or the number that it is."""
        if symbol == "S":
            heads = self["K"]
            return heads if heads == 1 else -(-heads // 4) * 4
        return self.get(symbol, symbol)


class Parts:
    """The parts of an estimator, written or yet to be read: JSON values and arrays, each by name; and the sizes."""

    def __init__(self, values, arrays, sizes=()):
        self.values, self.arrays, self.sizes, self.sparse = values, arrays, Sizes(sizes), False


@dataclass
class Array:
    """An array of numbers.

    Parameters
    ----------
    dtype : str
        "W" is that of the weights, "float" either of float32 and float64.
    shape : tuple of int and str
    optional : bool
        It may be None, and is then not in the file.
    positive : bool
        Every number must be above 0.
    finite : bool
        Whether infinity and NaN are no such numbers.
    """

    dtype: str
    shape: tuple
    optional: bool = False
    positive: bool = False
    finite: bool = True

    def fit(self, name, dtype, shape, sizes):
        """A ValueError if an array of that dtype and shape can't be this one."""
        allowed = FLOATS if self.dtype == "float" else (self.dtype,)
        if self.dtype == "W":
            allowed = (sizes.setdefault("W", dtype),) if dtype in FLOATS else FLOATS
        if dtype not in allowed:
            raise ValueError(f"{name} must be of dtype {' or '.join(allowed)}, found {dtype}")
        if len(shape) != len(self.shape) or not all(map(sizes.same, self.shape, shape)):
            wanted = ", ".join(str(sizes.size(s)) for s in self.shape)
            raise ValueError(f"{name} must have the shape ({wanted}), found {tuple(shape)}")

    def check(self, name, value):
        """A ValueError if a number in the array is not as it must be."""
        if (self.finite and not all_finite(value)) or (self.positive and value.size and value.min() <= 0):
            raise ValueError(f"{name} must hold finite numbers{' > 0' if self.positive else ''}")

    def put(self, name, value, parts):
        """Write the value."""
        if value is None and self.optional:
            return
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{name} must be an array, found {brief(value)}")
        self.fit(name, value.dtype.name, value.shape, parts.sizes)
        self.check(name, value)
        parts.arrays[name] = np.asarray(value, value.dtype.newbyteorder("="))

    def take(self, name, parts):
        """Read it: dtype and shape are checked before any byte is."""
        if name not in parts.arrays:
            if self.optional:
                return None
            raise ValueError(f"{name} is missing")
        stored = parts.arrays.pop(name)
        self.fit(name, stored.dtype, stored.shape, parts.sizes)
        return stored.read(partial(self.check, name))


class Begun(Array):
    """An array (m, n) of which as many columns are written as have something in the first row; the others are zeros."""

    def fit(self, name, dtype, shape, sizes):
        most = self.shape[1]
        super().fit(name, dtype, (*shape[:1], most) if len(shape) == 2 and shape[1] <= most else shape, sizes)

    def put(self, name, value, parts):
        value = value[:, : np.count_nonzero(value[0])] if isinstance(value, np.ndarray) and value.ndim == 2 else value
        super().put(name, value, parts)

    def take(self, name, parts):
        found = super().take(name, parts)
        return None if found is None else np.pad(found, ((0, 0), (0, self.shape[1] - found.shape[1])))


class Coef(Array):
    """coef_, stored with the shape (K, d); of one dimension where the size `ndim` is 1, and maybe sparse (`sparsify`)."""

    def __init__(self):
        super().__init__("float", ("K", "d"))

    def put(self, name, value, parts):
        parts.values[f"{name}.sparse"] = sparse = sp.issparse(value)
        value = value.toarray() if sparse else value
        if sparse or (parts.sizes["ndim"] == 1 and np.ndim(value) == 1):
            value = np.atleast_2d(value)
        super().put(name, value, parts)

    def take(self, name, parts):
        parts.sparse = pop(parts, f"{name}.sparse", bool)
        value = super().take(name, parts)
        if parts.sizes["ndim"] == 1 and len(value) != 1:
            raise ValueError(f"{name} of one dimension must be of one head, found {len(value)}")
        return value[0] if parts.sizes["ndim"] == 1 else value


class History:
    """A structured array of numbers, by the names of its columns; those that an older file does not have are NaN.

    `rows` is the size that it has.
    """

    def __init__(self, dtype, rows="epochs"):
        self.dtype, self.rows = dtype, rows

    def put(self, name, value, parts):
        if getattr(value, "dtype", None) != self.dtype:
            raise ValueError(f"{name} must be an array of the dtype that fit makes, found {brief(value)}")
        parts.values[f"{name}.columns"] = list(value.dtype.names)
        columns = [value[column].astype(np.float64) for column in value.dtype.names]
        parts.arrays[name] = np.column_stack(columns)

    def take(self, name, parts):
        columns = pop(parts, f"{name}.columns", list)
        if len(set(map(str, columns))) != len(columns) or any(c not in self.dtype.names for c in columns):
            raise ValueError(f"{name} must have columns of {self.dtype.names}, found {brief(columns)}")
        if name not in parts.arrays:
            raise ValueError(f"{name} is missing")
        stored = parts.arrays.pop(name)
        Array("float64", (self.rows, len(columns))).fit(name, stored.dtype, stored.shape, parts.sizes)
        rows = stored.read()
        out = np.zeros(len(rows), self.dtype)
        for column in self.dtype.names:
            numbers = rows[:, columns.index(column)] if column in columns else np.full(len(rows), np.nan)
            if self.dtype[column].kind == "i":
                if not (abs(numbers) < 2**53).all():
                    raise ValueError(f"{name} must have integers in its column {column}")
                numbers = numbers.astype(self.dtype[column])
            out[column] = numbers
        return out


@dataclass
class Value:
    """A number, bool or string.

    Parameters
    ----------
    kind : type
    low, high : int
        The range, of numbers.
    size : str or None
        The size that it is.
    finite : bool
        Whether infinity is no such number.
    """

    kind: type
    low: float = -math.inf
    high: float = math.inf
    size: str | None = None
    finite: bool = True

    def check(self, name, value, sizes):
        expect(value, self.kind, name)
        outside = self.kind in (int, float) and not self.low <= value <= self.high
        if outside or (self.kind is float and self.finite and not math.isfinite(value)):
            raise ValueError(f"{name} must be in [{self.low}, {self.high}], found {brief(value)}")
        if self.size is not None and not sizes.same(self.size, value):
            raise ValueError(f"{name} must be {sizes[self.size]}, found {brief(value)}")
        return value

    def put(self, name, value, parts):
        value = value.item() if isinstance(value, np.generic) else value
        parts.values[name] = pack(self.check(name, value, parts.sizes))

    def take(self, name, parts):
        return self.check(name, unpack(pop(parts, name)), parts.sizes)


class Pair:
    """Two finite numbers >= 0."""

    def check(self, name, value):
        if len(value) != 2 or any(type(v) not in (int, float) or not 0 <= v < math.inf for v in value):
            raise ValueError(f"{name} must be two numbers >= 0, found {brief(value)}")
        return tuple(map(float, value))

    def put(self, name, value, parts):
        parts.values[name] = list(self.check(name, tuple(map(float, value))))

    def take(self, name, parts):
        return self.check(name, pop(parts, name, list))


class Scalars:
    """A record of finite numbers, by name; those that an older file does not have keep their first value."""

    def __init__(self, dtype, first):
        self.dtype, self.first = dtype, first

    def put(self, name, value, parts):
        numbers = {field: float(value[field][0]) for field in self.dtype.names}
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError(f"{name} must hold finite numbers, found {numbers}")
        parts.values[name] = numbers

    def take(self, name, parts):
        given, out = pop(parts, name, dict), self.first()
        for field, number in given.items():
            if field not in self.dtype.names or type(number) is not float or not math.isfinite(number):
                raise ValueError(f"{name} must have finite numbers {self.dtype.names}, found {brief(given)}")
            out[field] = number
        return out


class Packed:
    """An object of fastsgd, or None."""

    def __init__(self, base):
        self.base = base

    def put(self, name, value, parts):
        parts.values[name] = _packed(f"{name} is", value)

    def take(self, name, parts):
        value = unpack(pop(parts, name))
        if not (value is None or isinstance(value, self.base)):
            raise ValueError(f"{name} must be of the class {self.base.__name__}, or None, found {brief(value)}")
        return value


class Names:
    """feature_names_in_: strings, one a feature; absent where X had none."""

    def put(self, name, value, parts):
        if value is not None:
            parts.values[name] = self.check(name, list(value), parts.sizes)

    def take(self, name, parts):
        if name not in parts.values:
            return None
        return np.array(self.check(name, pop(parts, name, list), parts.sizes), dtype=object)

    def check(self, name, value, sizes):
        if len(value) != sizes["d"] or any(type(v) is not str for v in value):
            raise ValueError(f"{name} must be {sizes['d']} strings, found {len(value)} values, {brief(value)}")
        return value


class Keywords:
    """Keywords of a function; absent where there are none."""

    def put(self, name, value, parts):
        if value is not None:
            parts.values[name] = _packed(f"{name} holds what is", value)

    def take(self, name, parts):
        if name not in parts.values:
            return None
        value = unpack(pop(parts, name))
        if type(value) is not dict or any(type(key) is not str for key in value):
            raise ValueError(f"{name} must be keywords, found {brief(value)}")
        return value


class Record:
    """A dataclass, by a table of its fields.

    Parameters
    ----------
    cls : dataclass
    table : dict
        Name to rule. A field that an older file does not have gets its default.
    sound : callable, default=None
        Takes the object, and raises a ValueError where fields don't go together.
    older : dict
        Of fields that older files have and this version does not: name to rule.
    renew : callable, default=None
        Given the object and those fields as keywords, it brings the object to what it is now.
    """

    def __init__(self, cls, table, sound=None, older=(), renew=None):
        self.cls, self.table, self.sound, self.older, self.renew = cls, table, sound, dict(older), renew
        default = {f.name for f in fields(cls) if f.default is not MISSING or f.default_factory is not MISSING}
        self.required = {f.name for f in fields(cls)} - default

    def put(self, name, value, parts):
        for field, rule in self.table.items():
            rule.put(f"{name}.{field}", getattr(value, field), parts)
        if self.sound is not None:
            self.sound(value)

    def take(self, name, parts):
        found = {}
        for field, rule in (self.table | self.older).items():
            at = f"{name}.{field}"
            if at in parts.values or at in parts.arrays or field in self.required:
                found[field] = rule.take(at, parts)
        older = {field: found.pop(field) for field in self.older if field in found}
        out = self.cls(**found)
        if self.sound is not None:
            self.sound(out)
        if older:
            self.renew(out, **older)
        return out


class Maybe:
    """What another rule says, or None."""

    def __init__(self, rule):
        self.rule = rule

    def put(self, name, value, parts):
        parts.values[name] = value is not None
        if value is not None:
            self.rule.put(name, value, parts)

    def take(self, name, parts):
        return self.rule.take(name, parts) if pop(parts, name, bool) else None


class Several:
    """A list, each of its values by a rule."""

    def __init__(self, rule):
        self.rule = rule

    def put(self, name, value, parts):
        parts.values[name] = len(value)
        for i, one in enumerate(value):
            self.rule.put(f"{name}.{i}", one, parts)

    def take(self, name, parts):
        return [self.rule.take(f"{name}.{i}", parts) for i in range(pop(parts, name, int))]


def all_finite(a):
    """Whether an array has no infinity and no NaN, looked at in pieces: of a large one no copy is made."""
    flat = a.ravel(order="K")
    return all(np.isfinite(flat[lo : lo + PIECE]).all() for lo in range(0, len(flat), PIECE))


def _packed(what, value):
    try:
        return pack(value)
    except Code as cls:
        raise ValueError(f"{what} of the class {cls}, which is code: a file can't hold it") from None


_ABSENT = object()


def pop(parts, name, kind=None):
    value = parts.values.pop(name, _ABSENT)
    if value is _ABSENT:
        raise ValueError(f"{name} is missing")
    return value if kind is None else expect(value, kind, name)
