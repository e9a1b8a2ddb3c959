"""What a fit is, as its checkpoints say, and in what two differ."""

import json
import zlib
from typing import NamedTuple

import numpy as np

from fastsgd.persist.values import brief, unpack

CHANGEABLE = {"verbose", "callbacks", "max_seconds", "n_jobs"}  # A fit may go on with others of these parameters.


class Fit(NamedTuple):
    """What a fit is, as its checkpoints say, so that no other goes on with them.

    Attributes
    ----------
    name : str
        The class of the estimator.
    params : dict
        Its parameters.
    feature_names, classes : arrays, or None
    grows : bool
        Whether max_iter can be raised: not where the step sizes are laid out over it.
    lanes : int
        Lanes that have a part in the result, of n_jobs; 1 where it is the same for any n_jobs.
    """

    name: str
    params: dict
    feature_names: np.ndarray | None = None
    classes: np.ndarray | None = None
    grows: bool = True
    lanes: int = 1


def in_words(names):
    """Names or labels in words, with a checksum."""
    if names is None:
        return None
    return f"{brief(names.tolist())} (checksum {zlib.crc32(repr(names.tolist()).encode()):08x})"


def differences(was, now, grows):
    """What differs between two fits, in words: class, version, parameters and data; max_iter may be raised if it `grows`."""
    found = []

    def compare(what, old, new):
        if old != new:
            found.append(f"{what[:80]} was {str(old)[:80]}, is {new}")

    compare("the class", was["class"], now["class"])
    compare("the version of fastsgd", was["versions"].get("fastsgd"), now["versions"]["fastsgd"])
    for name in sorted((was["params"].keys() | now["params"].keys()) - CHANGEABLE):
        old, new = (head["params"].get(name) for head in (was, now))
        if not _same_parameter(name, old, new, grows):
            found.append(f"{name[:80]} was {_words(old)}, is {_words(new)}")
    before, data = len(found), was["data"].keys() | now["data"].keys()
    for sums in (False, True):  # Checksums differ wherever sizes do.
        for what in sorted(data) if len(found) == before else ():
            if ("checksum" in what) == sums:
                compare(what, was["data"].get(what), now["data"].get(what))
    return found


def _same_parameter(name, old, new, grows):
    if all(type(value) is dict and set(value) == {"RandomState"} for value in (old, new)):
        return True  # That of the checkpoint counts.
    if name == "max_iter" and grows and type(old) is int and type(new) is int:
        return old <= new
    return json.dumps(old) == json.dumps(new)


def _words(packed):
    if type(packed) is dict and set(packed) == {"code"}:
        return str(packed["code"])[:80]
    try:
        return brief(unpack(packed))
    except ValueError:
        return brief(packed)
