"""The lists of a long JSON document in arrays: names of features, labels, categories, of which there may be millions.

A list of strings, integers or floats is appended to an array of all of its kind, and {"list of strings": 3} stands in its
place; a list of pairs is two lists. Of a long list of several kinds, None and bools among them, an array says the kind of
each value; a long list of lists is their lengths, and one list of all that is in them. The arrays are read in the order of
the document, so that each value is taken once, and what is made of a file stays within a multiple of its size.
"""

import math
from collections import Counter
from itertools import chain, islice, pairwise

import numpy as np

from fastsgd.persist.rules import Array, Parts
from fastsgd.persist.values import INTEGER_LIMIT, brief, expect

KINDS = {str: "strings", int: "integers", float: "floats"}
PREFIX, WORDS, PAIRS = "lists.", "list of ", "list of pairs"
DTYPES = {"strings": "uint8", "ends": "int64", "integers": "int64", "floats": "float64"}  # ends: where each string ends
VALUES, LISTS, MIXED = "list of values", "list of lists", "kinds"  # These are of the version after the others.
ARRAYS = *DTYPES, MIXED
LONG = 64  # Lists of several kinds, and of lists, are in arrays from this length on.
# What stands for a kind in the array `kinds`: one of the arrays, or a value of its own.
POOLED = {3: "strings", 4: "integers", 5: "floats", 6: "integers"}
UNSIGNED = 6  # an integer from INTEGER_LIMIT on, less 2 * INTEGER_LIMIT
ALONE = {0: None, 1: False, 2: True, 7: {"float": "inf"}, 8: {"float": "-inf"}, 9: {"float": "nan"}}


# ---------------------------------------------------------------- writing
def stow(head):
    """The document without its lists, and the arrays that have them."""
    pools = {kind: [] for kind in (*KINDS.values(), MIXED)}
    head = _stowed(head, pools)
    encoded = [string.encode("utf-8", "surrogatepass") for string in pools["strings"]]
    arrays = {
        "strings": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(one) for one in encoded], dtype=np.int64),
        "integers": np.array(pools["integers"], np.int64),
        "floats": np.array(pools["floats"], np.float64),
    }
    if pools[MIXED]:
        arrays[MIXED] = np.array(pools[MIXED], np.uint8)
    return head, {PREFIX + name: array for name, array in arrays.items()}


def is_new(arrays, head):
    """Whether what `stow` gave has lists that older versions do not know."""
    return PREFIX + MIXED in arrays or _has(head, LISTS)


def _has(value, key):
    if type(value) is dict:
        return key in value or any(_has(one, key) for one in value.values())
    return type(value) is list and any(_has(one, key) for one in value)


def _stowed(value, pools):
    if type(value) is dict:
        return {key: _stowed(one, pools) for key, one in value.items()}
    if type(value) is not list or not value:
        return value
    kinds = set(map(type, value))
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if kind in KINDS and _fits(kind, value):
        pools[KINDS[kind]] += value
        return {WORDS + KINDS[kind]: len(value)}
    if kind is list and all(len(one) == 2 for one in value):
        return {PAIRS: [_stowed(list(half), pools) for half in zip(*value, strict=True)]}
    if len(value) >= LONG:
        if kind is list:
            parts = [len(one) for one in value], list(chain.from_iterable(value))
            return {LISTS: [_stowed(part, pools) for part in parts]}
        codes = [_code(one) for one in value]
        if None not in codes:
            return _mixed(value, codes, pools)
    return [_stowed(one, pools) for one in value]


def _fits(kind, values):
    if kind is int:
        return min(values) >= -INTEGER_LIMIT and max(values) < INTEGER_LIMIT
    return kind is str or bool(np.isfinite(values).all())


def _code(value):
    """What stands for the kind of a value; None where there is nothing."""
    kind = type(value)
    if kind is str:
        return 3
    if value is None or kind is bool:
        return 0 if value is None else 1 + value
    if kind is int:
        if -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            return 4
        return UNSIGNED if 0 < value < 2 * INTEGER_LIMIT else None
    if kind is float:
        return 5 if math.isfinite(value) else None
    return next((code for code, one in ALONE.items() if kind is type(one) is dict and one == value), None)


def _mixed(value, codes, pools):
    for one, code in zip(value, codes, strict=True):
        if code in POOLED:
            pools[POOLED[code]].append(one - 2 * INTEGER_LIMIT if code == UNSIGNED else one)
    pools[MIXED] += codes
    return {VALUES: len(value)}


# ---------------------------------------------------------------- reading
def restore(head, arrays):
    """The document with its lists, whose arrays are read and taken out of `arrays`; a ValueError where they don't fit.

    Parameters
    ----------
    head : dict
    arrays : dict of str to Stored
    """
    if PREFIX + "ends" not in arrays:
        return head
    parts, found = Parts({}, arrays), {}
    for name, dtype in (DTYPES | {MIXED: "uint8"}).items():
        found[name] = Array(dtype, (name,), optional=name == MIXED).take(PREFIX + name, parts)
    ends, raw = [0, *found.pop("ends").tolist()], found["strings"].tobytes()
    if ends[-1] != len(raw) or any(a > b for a, b in pairwise(ends)):
        raise ValueError(f"{PREFIX}ends must rise to the {len(raw)} bytes of {PREFIX}strings")
    mixed = [] if found[MIXED] is None else found[MIXED].tolist()
    pools = _Pools(
        strings=(len(ends) - 1, (raw[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends))),
        integers=(len(found["integers"]), iter(found["integers"].tolist())),
        floats=(len(found["floats"]), iter(found["floats"].tolist())),
        values=(len(mixed), iter(mixed)),
    )
    head = _restored(head, pools)
    if any(pools.left.values()):
        raise ValueError(f"its lists have {pools.left} more values than its JSON takes")
    return head


class _Pools:
    """The values of each kind that are not taken yet, and how many."""

    def __init__(self, **pools):
        self.left = {kind: count for kind, (count, _) in pools.items()}
        self.next = {kind: values for kind, (_, values) in pools.items()}

    def take(self, kind, count):
        """So many of a kind; a ValueError where there are fewer."""
        if not 0 <= expect(count, int, WORDS + kind) <= self.left[kind]:
            raise ValueError(f"a {WORDS}{kind} must be of those {self.left[kind]} that are left, found {brief(count)}")
        self.left[kind] -= count
        values = list(islice(self.next[kind], count))
        return values if kind != "values" else self._valued(values)

    def _valued(self, codes):
        """The values of which the kinds are given."""
        of = Counter(codes)
        if unknown := of.keys() - ALONE.keys() - POOLED.keys():
            raise ValueError(f"{PREFIX}{MIXED} must hold {[*ALONE, *POOLED]}, found {sorted(unknown)}")
        signed = self.take("integers", of[4] + of[UNSIGNED])
        values = {3: iter(self.take("strings", of[3])), 5: iter(self.take("floats", of[5]))}
        values[4] = values[UNSIGNED] = iter(signed)
        found = [next(values[code]) if code in POOLED else ALONE[code] for code in codes]
        if of[UNSIGNED]:
            found = [
                one + 2 * INTEGER_LIMIT if code == UNSIGNED else one for one, code in zip(found, codes, strict=True)
            ]
        return found


def _restored(value, pools):
    if type(value) is list:
        return [_restored(one, pools) for one in value]
    if type(value) is not dict:
        return value
    key = next(iter(value)) if len(value) == 1 else None
    if key in (PAIRS, LISTS):
        halves = [_restored(one, pools) for one in expect(value[key], list, key)]
        if len(halves) != 2 or any(type(half) is not list for half in halves):
            raise ValueError(f"a {key} must be two lists, found {brief(halves)}")
        return _paired(*halves) if key == PAIRS else _cut(*halves)
    kind = key[len(WORDS) :] if key is not None and key.startswith(WORDS) else None
    if kind not in pools.left:
        return {key: _restored(one, pools) for key, one in value.items()}
    return pools.take(kind, value[key])


def _paired(first, second):
    if len(first) != len(second):
        raise ValueError(f"a {PAIRS} must be two lists of one length, found {brief([first, second])}")
    return [list(pair) for pair in zip(first, second, strict=True)]


def _cut(lengths, values):
    if any(type(n) is not int or n < 0 for n in lengths) or sum(lengths) != len(values):
        raise ValueError(f"a {LISTS} must be lengths and {len(values)} values in all, found {brief(lengths)}")
    values = iter(values)
    return [[next(values) for _ in range(n)] for n in lengths]
