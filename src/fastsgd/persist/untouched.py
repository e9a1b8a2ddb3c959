"""Arrays of which most entries are one and the same, as those of features that no row had: only the others are stored.

An entry is what an array has at one place of its longest axis: a feature's weights of all heads, or its statistics. The
document says {"untouched": {name: [axis, length, name of the index]}}. An array of that name then has the entries of the
places in the index and, as its last one, the entry of all other places. Arrays share an index where this is shorter.
"""

import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from fastsgd.persist.rules import Array, Parts
from fastsgd.persist.values import brief, expect

KEY, PREFIX = "untouched", "touched."  # in the document, and before the names of the indices
MIN_BYTES = 1 << 14  # Smaller arrays are stored whole.
SAMPLES = 64  # entries that are looked at to find the one that most have
BLOCK_BYTES = 1 << 18
WORTH = 0.9  # An array is stored so if this takes less than that share of its bytes.
MAX_COLUMNS = 16  # Numbers of an entry that are compared column by column; more are compared entry by entry.
MAX_INDEX = 2**32  # Longer axes have indices of 64 bits.
# Arrays of a file in which not all entries are stored may take this share of the memory that the machine has.
MEMORY_SHARE = 0.75
UNKNOWN_MEMORY = 1 << 34


# ---------------------------------------------------------------- writing
def stow(arrays):
    """What the document says of arrays that are not stored whole, and what is to be written of all.

    Parameters
    ----------
    arrays : dict of str to ndarray

    Returns
    -------
    said : dict
    arrays : dict of str to ndarray
    """
    found = {name: entries for name, a in arrays.items() if (entries := _Entries.of(a)) is not None}
    said, stowed = {}, dict(arrays)
    for number, (index, names) in enumerate(_shared(found)):
        dtype = np.uint32 if found[names[0]].length <= MAX_INDEX else np.int64
        stowed[f"{PREFIX}{number}"] = index.astype(dtype)
        for name in names:
            said[name] = [found[name].axis, found[name].length, f"{PREFIX}{number}"]
            stowed[name] = found[name].taken(index)
    return said, stowed


class _Entries:
    """An array by its entries: which one most are, and the places of all others."""

    def __init__(self, array, axis, usual, places):
        self.array, self.axis, self.usual, self.places = array, axis, usual, places
        self.length = array.shape[axis]
        self.bytes = array.nbytes // self.length

    @classmethod
    def of(cls, a):
        """Those of an array; None where it is better stored whole."""
        if a.nbytes < MIN_BYTES or not a.size:
            return None
        axis = int(np.argmax(a.shape))
        bits = np.moveaxis(a, axis, 0).view(f"u{a.itemsize}")  # -0.0 is another number than 0.0 here
        usual = _usual(bits)
        if usual is None:
            return None
        most = WORTH * a.nbytes / (a.nbytes // len(bits) + 4)
        places = _others(bits, usual, most)
        if places is None:
            return None
        return cls(a, axis, np.moveaxis(usual.view(a.dtype)[None], 0, axis), places)

    def taken(self, index):
        """The entries at those places, and the usual one."""
        return np.concatenate([self.array.take(index, self.axis), self.usual], self.axis)


def _usual(bits):
    """The entry that most of a sample are; None where no two are the same."""
    sample = np.ascontiguousarray(bits[np.linspace(0, len(bits) - 1, min(SAMPLES, len(bits))).astype(int)])
    rows = sample.reshape(len(sample), -1)
    _, first, counts = np.unique(rows, axis=0, return_index=True, return_counts=True)
    best = counts.argmax()
    return sample[first[best]] if counts[best] > 1 else None


def _others(bits, usual, most):
    """The places of the entries that are not the usual one; None where these are more than `most`."""
    flat, found, count = usual.ravel(), [np.zeros(0, np.int64)], 0
    rows = max(1, BLOCK_BYTES // max(1, flat.nbytes))
    for lo in range(0, len(bits), rows):
        block = bits[lo : lo + rows]
        block = block.reshape(len(block), -1)
        if len(flat) > MAX_COLUMNS:
            differ = (block != flat).any(axis=1)
        else:  # A comparison along the long axis is the faster one.
            differ = block[:, 0] != flat[0]
            for column, number in zip(block.T[1:], flat[1:], strict=True):
                differ |= column != number
        places = np.flatnonzero(differ)
        count += len(places)
        if count > most:
            return None
        found.append(places + lo)
    return np.concatenate(found)


def _shared(found):
    """(index, names of the arrays that have it), so that they take few bytes together.

    An array joins those whose index has all that it needs, and a little more, where an index of its own would be longer.
    """
    groups = []
    for name in sorted(found, key=lambda name: (-len(found[name].places), name)):
        one = found[name]
        own = len(one.places) * (one.bytes + 4)
        for group in groups:
            if group["length"] == one.length and len(group["index"]) * one.bytes <= own:
                if not np.isin(one.places, group["index"], assume_unique=True).all():
                    group["index"] = np.union1d(group["index"], one.places)
                group["names"].append(name)
                break
        else:
            groups.append({"length": one.length, "index": one.places, "names": [name]})
    return [(group["index"], group["names"]) for group in groups]


# ---------------------------------------------------------------- reading
class Spread:
    """An array of which a file has the entries that are not the usual one."""

    def __init__(self, stored, axis, length, index):
        self.stored, self.axis, self.index, self.dtype = stored, axis, index, stored.dtype
        self.shape = (*stored.shape[:axis], length, *stored.shape[axis + 1 :])

    @property
    def nbytes(self):
        """What it takes in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def read(self, check=None):
        """The array, which is now the caller's; `check` is given all numbers that it holds, but not all places."""
        entries, before = self.stored.read(check), (slice(None),) * self.axis
        usual = entries[(*before, slice(-1, None))]
        if usual.view(f"u{usual.itemsize}").any():
            out = np.empty(self.shape, entries.dtype)
            out[...] = usual
        else:
            out = np.zeros(self.shape, entries.dtype)  # Pages of zeros take no memory before they are written to.
        out[(*before, self.index)] = entries[(*before, slice(None, -1))]
        return out


def restore(said, arrays):
    """The arrays, those that are not stored whole as `Spread`; a ValueError where something does not fit.

    Parameters
    ----------
    said : dict
        As `stow` returns it.
    arrays : dict of str to Stored

    Raises
    ------
    ValueError
    MemoryError
        They would take more memory than they may.
    """
    arrays, indices = dict(arrays), {}
    for name, how in expect(said, dict, KEY).items():
        kinds = list(map(type, how)) if type(how) is list else None
        if kinds != [int, int, str] or name not in arrays or name == how[2]:
            raise ValueError(f"{KEY} must say axis, length and index of arrays, found {brief(name)}: {brief(how)}")
        axis, length, index = how
        if index not in indices:
            indices[index] = _index(index, arrays)
        places, stored = indices[index], arrays[name]
        if not (0 <= axis < len(stored.shape) and stored.shape[axis] == len(places) + 1):
            raise ValueError(f"{name} must have an entry for each place in {index}, and one, found {stored.shape}")
        if not len(places) < length < 2**62 or (len(places) and places[-1] >= length):
            raise ValueError(f"{name} must be longer than the places in {index}, found {length}")
        arrays[name] = Spread(stored, axis, length, places)
    _check_memory(sum(a.nbytes for a in arrays.values() if isinstance(a, Spread)))
    return {name: a for name, a in arrays.items() if name not in indices}


def _index(name, arrays):
    if name not in arrays or isinstance(arrays[name], Spread):
        raise ValueError(f"the index {brief(name)} is missing")
    dtype = "int64" if arrays[name].dtype == "int64" else "uint32"
    index = Array(dtype, (name,)).take(name, Parts({}, {name: arrays[name]})).astype(np.int64)
    if len(index) and (index[0] < 0 or (np.diff(index) <= 0).any()):
        raise ValueError(f"{name} must rise from 0 or more")
    return index


def _check_memory(needed):
    most = int(MEMORY_SHARE * memory())
    if needed > most:
        raise MemoryError(
            f"its arrays take {needed / 1e9:.3g} GB in memory, as most of their entries are not stored, and a file may ask for "
            f"{most / 1e9:.3g} GB here: load it on a machine with more memory"
        )


def memory():
    """The bytes of memory that this machine has, or this container may take."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # of Windows
        return UNKNOWN_MEMORY
    with suppress(OSError, ValueError):
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found
