"""Labels of segments, as numbers: what users give, checked; and the numbers of labels that are known."""

import numpy as np
import scipy.sparse as sp

MAX_LOOKUP = 1 << 16  # Whole numbers within a range of this size, or of four times the rows, are looked up.
MISSING = -1  # The number of a row without a label.
KINDS = {"i": "whole numbers", "U": "words", "b": "true and false"}
ADVICE = "Give words, whole numbers, or true and false; None and NaN stand for rows of no segment."


def factorized(given, n=None, name="segments"):
    """The different labels of some rows, and which of these each row has, MISSING for none.

    Parameters
    ----------
    given : array-like of shape (n,)
        Words, whole numbers, or true and false; None, NaN and pandas' NA are missing. pandas' categories are what they stand for.
    n : int or None
        How many rows there must be.
    name : str
        What to call it in errors.

    Returns
    -------
    labels : array of int64, str or bool
        Maybe more than there are rows of, in any order.
    number : (n,) int32 array

    Raises
    ------
    ValueError
    """
    if sp.issparse(given):
        raise ValueError(f"{name} must be a dense array of labels, got {type(given).__name__}.")
    dtype = getattr(given, "dtype", None)
    if hasattr(dtype, "categories") and hasattr(
        getattr(given, "cat", given), "codes"
    ):  # pandas' Categorical, or its Series
        whole = getattr(given, "cat", given)
        labels, of_label = factorized(np.asarray(whole.categories), name=name)
        number = np.append(of_label, np.int32(MISSING))[np.asarray(whole.codes)]
    else:
        labels, number = _factorized(_flat(given, name), name)
    if n is not None and len(number) != n:
        raise ValueError(f"{name} must have a label for each row: X has {n} rows, {name} has {len(number)}.")
    return labels, number.astype(np.int32)


def _flat(given, name):
    values = np.asarray(given)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"{name} must be of one dimension, found an array of shape {values.shape}.")
    return values


def _factorized(values, name):
    kind = values.dtype.kind
    if kind in "iu":
        return _of_numbers(values, name)
    if kind == "b":
        return np.array([False, True]), values.astype(np.int32)
    if kind == "f":
        there = ~np.isnan(values)
        numbers = values[there]
        odd = numbers[(numbers != np.floor(numbers)) | (abs(numbers) >= 2.0**53)]
        if len(odd):
            raise ValueError(
                f"{name} must hold labels, found {odd[0]:g}: round the numbers, or make them bins. {ADVICE}"
            )
        return _placed(*_of_numbers(numbers.astype(np.int64), name), there)
    if kind == "U":
        return _of_words(values.tolist())
    if kind == "O":
        return _of_objects(values, name)
    raise ValueError(f"{name} must hold labels, found {values.dtype}: make them words (astype(str)). {ADVICE}")


def _of_numbers(values, name):
    if not len(values):
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    low, high = int(values.min()), int(values.max())
    if high >= 2**63:
        raise ValueError(f"{name} holds {high}, which is no 64-bit integer: make the labels words (astype(str)).")
    if high - low < max(MAX_LOOKUP, 4 * len(values)):
        number = np.subtract(values, low, dtype=np.int64, casting="unsafe")
        there = np.flatnonzero(np.bincount(number))
        place = np.zeros(high - low + 1, np.int32)
        place[there] = np.arange(len(there))
        return there + low, place[number]
    labels, number = np.unique(values.astype(np.int64), return_inverse=True)
    return labels, number


def _of_words(words):
    places = {}
    number = np.fromiter((places.setdefault(word, len(places)) for word in words), np.int32, len(words))
    return np.array(list(places), dtype=str), number


def _of_objects(values, name):
    """Labels that are Python's objects, of one kind, and maybe None, NaN or NA among them."""
    places = {}
    number = np.fromiter(
        (places.setdefault(_key(label), len(places)) for label in values.tolist()), np.int32, len(values)
    )
    labels = [label for label, _ in places]
    there = np.array([not _absent(label) for label in labels], bool)
    kinds = {_kind(label) for label, is_there in zip(labels, there, strict=True) if is_there}
    if len(kinds) > 1 or not kinds <= set(KINDS):
        some = sorted({type(label).__name__ for label, is_there in zip(labels, there, strict=True) if is_there})
        raise ValueError(f"{name} must hold labels of one kind, found {', '.join(some[:5])}. {ADVICE}")
    kind = kinds.pop() if kinds else "U"
    kept = [label for label, is_there in zip(labels, there, strict=True) if is_there]
    try:
        found = np.array(kept, dtype={"i": np.int64, "U": str, "b": bool}[kind])
    except OverflowError as error:
        raise ValueError(f"{name} holds a number that is no 64-bit integer: make the labels words.") from error
    place = np.where(there, np.cumsum(there) - 1, MISSING)
    return found, place[number] if len(place) else number


def _key(label):
    """What tells labels apart in a dict, where 1 and True would be one."""
    try:
        hash(label)
    except TypeError:
        return repr(label), type(label)
    return label, type(label)


def _absent(label):
    return (
        label is None or type(label).__name__ in ("NAType", "NaTType") or (isinstance(label, float) and label != label)
    )


def _kind(label):
    if isinstance(label, str):
        return "U"
    if isinstance(label, bool | np.bool_):
        return "b"
    if isinstance(label, int | np.integer):
        return "i"
    return type(label).__name__


def _placed(labels, number, there):
    """The numbers of the rows that are there, among all."""
    out = np.full(len(there), MISSING, np.int32)
    out[there] = number
    return labels, out


class Known:
    """Labels by their numbers, in the order in which they were met.

    Attributes
    ----------
    kind : str or None
        That of the labels, None before the first.
    """

    def __init__(self):
        self.kind, self._numbers = None, {}

    def __len__(self):
        return len(self._numbers)

    def codes(self, given, n=None, name="segments"):
        """The number of each row's label, MISSING for none; new labels get the next numbers, in their order."""
        labels, number = factorized(given, n, name)
        self.kind = check_kind(labels, self.kind, name)
        there = np.zeros(len(labels) + 1, bool)
        there[number] = True
        order = np.flatnonzero(there[:-1])
        order = order[np.argsort(labels[order], kind="stable")]
        place = np.full(len(labels) + 1, MISSING, np.int32)
        for i, label in zip(order.tolist(), labels[order].tolist(), strict=True):
            place[i] = self._numbers.setdefault(label, len(self._numbers))
        return place[number]

    def sorted(self):
        """(labels in their order, the number of each)"""
        labels = np.array(list(self._numbers), dtype={"i": np.int64, "b": bool}.get(self.kind, str))
        order = np.argsort(labels, kind="stable")
        return labels[order], order


def check_kind(labels, kind, name="segments"):
    """The kind of some labels, which must be that of those before, if there were any."""
    if not len(labels):
        return kind
    own = {"u": "i"}.get(labels.dtype.kind, labels.dtype.kind)
    if kind not in (None, own):
        raise ValueError(f"{name} holds {KINDS[own]}, such as {labels[0]}, and the segments so far are {KINDS[kind]}.")
    return own


def looked_up(given, labels, n=None, name="segments"):
    """The place of each row's label among sorted labels, len(labels) where it is not there or missing."""
    found, number = factorized(given, n, name)
    check_kind(found, labels.dtype.kind if len(labels) else None, name)
    place = np.full(len(found) + 1, len(labels), np.int32)
    if len(found) and len(labels):
        at = np.searchsorted(labels, found)
        at[at == len(labels)] = 0
        place[:-1] = np.where(labels[at] == found, at, len(labels))
    return place[number]
