"""The lists of a long JSON document in arrays: names of features, labels, categories, of which there may be millions.

A list of strings, integers or floats is appended to an array of all of its kind, and {"list of strings": 3} stands in its
place; a list of pairs is two lists. The arrays are read in the order of the document, so that each value is taken once, and
what is made of a file stays within a multiple of its size.
"""

from itertools import pairwise

import numpy as np

from fastsgd.persist.rules import Array, Parts
from fastsgd.persist.values import INTEGER_LIMIT, brief, expect

KINDS = {str: "strings", int: "integers", float: "floats"}
PREFIX, WORDS, PAIRS = "lists.", "list of ", "list of pairs"
DTYPES = {"strings": "uint8", "ends": "int64", "integers": "int64", "floats": "float64"}  # ends: where each string ends


def stow(head):
    """The document without its lists, and the arrays that have them."""
    pools = {kind: [] for kind in KINDS.values()}
    head = _stowed(head, pools)
    encoded = [string.encode("utf-8", "surrogatepass") for string in pools["strings"]]
    arrays = {
        "strings": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(one) for one in encoded], dtype=np.int64),
        "integers": np.array(pools["integers"], np.int64),
        "floats": np.array(pools["floats"], np.float64),
    }
    return head, {PREFIX + name: array for name, array in arrays.items()}


def _stowed(value, pools):
    if type(value) is dict:
        return {key: _stowed(one, pools) for key, one in value.items()}
    if type(value) is not list or not value:
        return value
    kind = type(value[0])
    if kind is list and all(type(one) is list and len(one) == 2 for one in value):
        return {PAIRS: [_stowed(list(half), pools) for half in zip(*value, strict=True)]}
    if kind not in KINDS or not all(type(one) is kind for one in value) or not _fits(kind, value):
        return [_stowed(one, pools) for one in value]
    pools[KINDS[kind]] += value
    return {WORDS + KINDS[kind]: len(value)}


def _fits(kind, values):
    if kind is int:
        return min(values) >= -INTEGER_LIMIT and max(values) < INTEGER_LIMIT
    return kind is str or bool(np.isfinite(values).all())


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
    for name, dtype in DTYPES.items():
        found[name] = Array(dtype, (name,)).take(PREFIX + name, parts)
    ends, raw = [0, *found.pop("ends").tolist()], found["strings"].tobytes()
    if ends[-1] != len(raw) or any(a > b for a, b in pairwise(ends)):
        raise ValueError(f"{PREFIX}ends must rise to the {len(raw)} bytes of {PREFIX}strings")
    pools = {
        "strings": (raw[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)),
        "integers": iter(found["integers"].tolist()),
        "floats": iter(found["floats"].tolist()),
    }
    left = {"strings": len(ends) - 1, "integers": len(found["integers"]), "floats": len(found["floats"])}
    head = _restored(head, pools, left)
    if any(left.values()):
        raise ValueError(f"its lists have {left} more values than its JSON takes")
    return head


def _restored(value, pools, left):
    if type(value) is list:
        return [_restored(one, pools, left) for one in value]
    if type(value) is not dict:
        return value
    key = next(iter(value)) if len(value) == 1 else None
    if key == PAIRS:
        halves = [_restored(one, pools, left) for one in expect(value[key], list, PAIRS)]
        if len(halves) != 2 or any(type(half) is not list for half in halves) or len(halves[0]) != len(halves[1]):
            raise ValueError(f"a {PAIRS} must be two lists of one length, found {brief(halves)}")
        return [list(pair) for pair in zip(*halves, strict=True)]
    kind = key[len(WORDS) :] if key is not None and key.startswith(WORDS) else None
    if kind not in pools:
        return {key: _restored(one, pools, left) for key, one in value.items()}
    count = expect(value[key], int, key)
    if not 0 <= count <= left[kind]:
        raise ValueError(f"a {key} must be of those {left[kind]} that are left, found {brief(count)}")
    left[kind] -= count
    return [next(pools[kind]) for _ in range(count)]
