"""What a state consists of: one line for each field; and how an estimator says what is stored of it.

To store a new field of the state, add a line to STATE. A field that a file does not have gets its default, so that files of
older versions can be read.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastsgd.auto import (
    AT,
    ATOMS,
    CENTRED,
    HEAD,
    LEADER,
    LOST,
    LOST_LESS,
    N_ATOMS,
    RECORD,
    SPREAD,
    USUAL,
    Auto,
    combinations,
)
from fastsgd.auto_softmax import COMBINATIONS, NEXT, SoftmaxAuto, statistics
from fastsgd.beside import Beside
from fastsgd.contest import Contest
from fastsgd.optimizers import Optimizer
from fastsgd.persist.older import pay_l1, renew_auto
from fastsgd.persist.rules import Array, Begun, Maybe, Packed, Pair, Record, Scalars, Several, Value, pop
from fastsgd.persist.values import brief
from fastsgd.state import SCALARS, State


def _sound_state(state):
    """Which fields need each other: the kernels and `sources.scaling` take it for granted."""
    together = {
        "mean and std": (state.mean is None) == (state.std is None),
        "mb and vb": state.auto is not None or (state.mb is None) == (state.vb is None),
        "Q if soft": not state.soft or state.Q is not None,
        "A with avg_n": state.A is not None or state.at["avg_n"][0] <= 0,
        "std if centred": not state.centred or state.std is not None,
        "auto as its layout asks": state.auto is None or _fits_auto(state),
        "models beside it of its kind": state.beside is None or _alike(state),
        "others of its contest of its kind": state.contest is None or _same_kind(state, state.contest.others),
    }
    for what, there in together.items():
        if not there:
            raise ValueError(f"the state must have {what}")


def _fits_auto(state):
    """Whether what learning_rate="auto" keeps is there: the columns and the average of dense rows, the records of CSR."""
    auto, (d, K) = state.auto, (len(state.W), len(state.b))
    if auto.together:
        slots = (
            [state.A]
            + [state.m, state.mb] * (not (auto.sparse and auto.again))
            + [state.v, state.vb] * (not auto.sparse)
        )
        links = auto.columns[:, NEXT] if auto.sparse and auto.columns.shape == (d, 5) else np.zeros(0)
        sound = (links == np.floor(links)).all() and (links >= -1).all() and (links <= d).all() and _ends(auto, links)
        sound = sound and auto.heads[0, LEADER] in range(len(COMBINATIONS))
        shape = (d, 5) if auto.sparse else (statistics(d, K, auto.again), d)
        return auto.columns.shape == shape and all(x is not None for x in slots) and sound
    columns, records = (0, K * RECORD) if auto.sparse else (d, 0)
    found = 0 if auto.records is None else auto.records.shape[1]
    fits = (*auto.columns.shape, found) == (3, columns, records) and (auto.sparse or state.A is not None)
    newton = auto.curvatures is not None
    fits = fits and (auto.second is None) == (auto.sparse or (auto.again and not newton))
    if newton:
        fits = fits and not auto.sparse and auto.origin is not None and auto.curvatures.shape == (K, d + 1, d + 1)
    fits = fits and np.isin(auto.heads[:, LEADER], np.arange(len(combinations(len(auto.candidates))))).all()
    fits = fits and np.isin(auto.heads[:, N_ATOMS], np.arange(ATOMS + 1)).all()
    if auto.centred is None or not fits:
        return fits
    centred, there = auto.centre[0], auto.centred[0] > 0
    return (
        auto.sparse and (centred < d).all() and len(np.unique(centred)) == len(centred) == there[: len(centred)].sum()
    )


def _ends(auto, links):
    """Whether the list of the features that are centred, each naming the next, has all that name one, and comes to an end."""
    at, left = auto.at["last"][0] if auto.sparse else 0, np.count_nonzero(links)
    while at > 0 and left > 0 and at == int(at) <= len(links):
        at, left = links[int(at) - 1], left - 1
    return left == 0 and (at == -1 or (at == 0 and not links.any()))


def _alike(state):
    """Whether the models beside a state have begun as it has, on rows of the same layout."""
    beside = state.beside
    autos, counts = [other.auto for other in beside.states], (beside.learnt, beside.known, beside.start)
    if state.auto is None:
        return all(x is None for x in (*autos, *counts))
    n = 1 + len(state.W) * state.auto.sparse
    return all(x is None or len(x) == n for x in counts) and _same_kind(state, beside.states)


def _same_kind(state, others):
    """Whether all have learnt with learning_rate="auto", on rows of the same layout, or none has."""
    kind = state.auto and (type(state.auto), state.auto.sparse)
    return all((other.auto and (type(other.auto), other.auto.sparse)) == kind for other in others)


def _sound_contest(contest):
    """Whether the places of its models are among its values."""
    places, n = np.append(contest.running, contest.leader), len(contest.values)
    known = contest.first < n and len(np.unique(places)) == len(places) and places.min() >= 0 and places.max() < n
    if not known or len(contest.others) not in (0, len(contest.running)):
        raise ValueError("a contest must have a place in its values for each of its models")
    if (contest.judged_W is None) != (contest.judged_b is None):
        raise ValueError("a contest must have the weights and the intercepts of the models that are judged, or neither")


def _first():
    return State.zeros(1, 1, "f8", 0).at


# Losses and squared slopes of a head of "auto", of which some are too large for a number.
MAY_OVERFLOW = np.r_[HEAD["square"], HEAD["slopes"], USUAL, LOST, LOST_LESS, SPREAD]


class OfKind(Record):
    """An Auto, or what it is of classes learnt together."""

    def take(self, name, parts):
        found = super().take(name, parts)
        renew_auto(found)
        if not np.isfinite(np.delete(found.heads, MAY_OVERFLOW, axis=1)).all():
            raise ValueError(f"{name}.heads must hold finite numbers, but for losses and squared slopes")
        return SoftmaxAuto(**vars(found)) if found.together else found


AUTO = OfKind(
    Auto,
    {
        "sparse": Value(bool),
        "columns": Array("float64", ("statistics", "columns")),
        "heads": Array("float64", ("K", "numbers"), finite=False),  # see MAY_OVERFLOW
        "at": Scalars(AT, lambda: np.zeros(1, AT)),
        "records": Array("W", ("d", "width"), optional=True),
        "second": Array("W", (2, "d", "S"), optional=True),
        "curvatures": Array("float64", ("K", "square", "square"), optional=True),
        "origin": Array("float64", ("d",), optional=True),
        "atoms": Array("float64", ("K", 2, ATOMS), optional=True),
        "centred": Begun("float64", (4, CENTRED), optional=True),
        "again": Value(bool),
        "together": Value(bool),
        "averages": Value(bool),
    },
)

# The sizes come first: b says how many heads there are.
FIELDS = {
    "b": Array("float64", ("K",)),
    "b_avg": Array("float64", ("K",)),
    "W": Array("W", ("d", "S")),
    "A": Array("W", ("d", "S"), optional=True),
    "Q": Array("W", ("d", "S"), optional=True),
    "m": Array("W", ("d", "S"), optional=True),
    "v": Array("W", ("d", "S"), optional=True),
    "mb": Array("float64", ("K",), optional=True),
    "vb": Array("float64", ("K",), optional=True),
    "mean": Array("float64", ("d",), optional=True),
    "std": Array("float64", ("d",), optional=True, positive=True),
    "centred": Value(bool),
    "seed": Value(int, 0, 2**63 - 1),
    "epoch": Value(int, 0, 2**62),
    "penalty": Pair(),
    "soft": Value(bool),
    "optimizer": Packed(Optimizer),
    "auto": Maybe(AUTO),
    "at": Scalars(SCALARS, _first),
}
LONE_STATE = Record(State, FIELDS, _sound_state)
BESIDE = Record(
    Beside,
    {
        "longer": LONE_STATE,
        "resampled": Several(LONE_STATE),
        "parts": Several(LONE_STATE),
        "rows": Value(int, 0, 2**62),
        "seen": Value(int, 0, 2**62),
        "most": Value(int, 0, 2**62),
        "learnt": Array("float64", ("counts",), optional=True),
        "known": Array("float64", ("counts",), optional=True),
        "start": Array("float64", ("counts",), optional=True),
        "epoch": Value(int, 0, 2**62),
        "in_step": Value(bool),
    },
)


class Places:
    """Places in an array, of any number."""

    def put(self, name, value, parts):
        parts.values[name] = value.tolist()

    def take(self, name, parts):
        found = pop(parts, name, list)
        if not all(type(place) is int and 0 <= place < 2**31 for place in found):
            raise ValueError(f"{name} must be a list of places, found {brief(found)}")
        return np.array(found, np.int64)


CONTEST = Record(
    Contest,
    {
        "parameter": Value(str),
        "values": Array("float64", ("contested",)),
        "first": Value(int, 0, 2**31),
        "half_life": Value(float, 0.0),
        "leader": Value(int, 0, 2**31),
        "running": Places(),
        "others": Several(LONE_STATE),
        "lost": Array("float64", ("contested",), finite=False),
        "now": Array("float64", ("contested", 2, "K"), optional=True, finite=False),
        "rows": Value(float, 0.0),
        "rows_now": Value(float, 0.0),
        "judged_W": Array("W", ("contested", "d", "S"), optional=True),
        "judged_b": Array("float64", ("contested", "K"), optional=True),
    },
    _sound_contest,
)
STATE = Record(
    State,
    FIELDS | {"beside": Maybe(BESIDE), "contest": Maybe(CONTEST)},
    _sound_state,
    older={"last": Array("W", ("d", 2), optional=True), "owing": Value(bool)},
    renew=pay_l1,
)


class Stored(NamedTuple):
    """What a file holds of an estimator.

    Attributes
    ----------
    table : dict
        Attribute to rule, in the order in which they are read.
    fitted : str
        The attribute without which it is not fitted.
    sizes : dict
        What is known of the sizes beforehand; ndim is the number of dimensions of coef_.
    put, take : callables
        Given (est, parts) after the table: what more there is to write, and to read.
    training : frozenset
        The attributes without which it can predict: a file for prediction alone does not have them.
    instead : dict
        What such a file has in their place.
    """

    table: dict
    fitted: str
    sizes: dict
    put: Callable = lambda est, parts: None
    take: Callable = lambda est, parts: None
    training: frozenset = frozenset()
    instead: dict = {}

    def rules(self, training_state):
        """The table of a file with that state, or without."""
        if training_state:
            return self.table
        return {name: rule for name, rule in self.table.items() if name not in self.training} | self.instead
