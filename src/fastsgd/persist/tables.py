"""What a fitted estimator consists of: one line for each attribute.

To store a new field of the state, add a line to STATE; for a new estimator, an entry to MODELS. A field that a file does
not have gets its default, so that files of older versions can be read.
"""

from dataclasses import dataclass, field

import numpy as np

from fastsgd import history
from fastsgd.auto import AT, HEAD_WIDTH, RECORD, Auto
from fastsgd.estimators import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.estimators.base_linear import COLUMNS
from fastsgd.optimizers import Optimizer
from fastsgd.persist.rules import (
    Array,
    Coef,
    History,
    Keywords,
    Labels,
    Maybe,
    Names,
    Packed,
    Pair,
    Record,
    Scalars,
    Value,
)
from fastsgd.state import SCALARS, State


def _sound_state(state):
    """Which fields need each other: the kernels and `sources.scaling` take it for granted."""
    together = {
        "mean and std": (state.mean is None) == (state.std is None),
        "mb and vb": (state.mb is None) == (state.vb is None),
        "Q with last": state.last is None or state.Q is not None,
        "Q and one head if soft": not state.soft or (state.Q is not None and len(state.b) == 1),
        "A with avg_n": state.A is not None or state.at["avg_n"][0] <= 0,
        "std if centred": not state.centred or state.std is not None,
        "auto as its layout asks": state.auto is None or _fits_auto(state),
    }
    for what, there in together.items():
        if not there:
            raise ValueError(f"the state must have {what}")


def _fits_auto(state):
    """Whether what learning_rate="auto" keeps is there: the columns and the average of dense rows, the records of CSR."""
    auto, (d, K) = state.auto, (len(state.W), len(state.b))
    columns, records = (0, K * RECORD) if auto.sparse else (d, 0)
    found = 0 if auto.records is None else auto.records.shape[1]
    return (auto.columns.shape[1], found) == (columns, records) and (auto.sparse or state.A is not None)


def _first():
    return State.zeros(1, 1, "f8", 0).at


AUTO = Record(
    Auto,
    {
        "sparse": Value(bool),
        "columns": Array("float64", (3, "columns")),
        "heads": Array("float64", ("K", HEAD_WIDTH)),
        "at": Scalars(AT, lambda: np.zeros(1, AT)),
        "records": Array("W", ("d", "width"), optional=True),
        "again": Value(bool),
    },
)

# The sizes come first: b says how many heads there are.
STATE = Record(
    State,
    {
        "b": Array("float64", ("K",)),
        "b_avg": Array("float64", ("K",)),
        "W": Array("W", ("d", "S")),
        "A": Array("W", ("d", "S"), optional=True),
        "Q": Array("W", ("d", "S"), optional=True),
        "last": Array("W", ("d", 2), optional=True),
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
        "owing": Value(bool),
        "soft": Value(bool),
        "optimizer": Packed(Optimizer),
        "auto": Maybe(AUTO),
        "at": Scalars(SCALARS, _first),
    },
    _sound_state,
)

FITTED = {
    "n_features_in_": Value(int, 1, 2**62, size="d"),
    "feature_names_in_": Names(),
    "reading_": Keywords(),
    "n_iter_": Value(int, 0, 2**62),
    "stop_reason_": Value(str),
}


def _put_sgd(est, parts):
    """Whether coef_ and intercept_ are those of the state, and not what the user has put in their place."""
    parts.values["published"] = est._as_published()


def _take_sgd(est, parts):
    """What follows from the state."""
    published = Value(bool).take("published", parts)
    est._published = est._read_back() if published else None
    est.t_ = est._state.t
    if est._state.std is not None:
        est.mean_, est.scale_ = est._state.mean.copy(), est._state.std.copy()
    if est._state.auto is not None:
        est.auto_rule_ = est._state.auto.rules


@dataclass
class Model:
    """An estimator, as a file has it.

    Parameters
    ----------
    cls : type
    table : dict
        Attribute to rule, in the order in which they are read.
    fitted : str
        The attribute without which it is not fitted.
    sizes : dict
        What is known of the sizes beforehand; ndim is the number of dimensions of coef_.
    put, take : callables
        Given (est, parts) after the table: what more there is to write, and to read.
    """

    cls: type
    table: dict
    fitted: str = "coef_"
    sizes: dict = field(default_factory=dict)
    put: object = lambda est, parts: None
    take: object = lambda est, parts: None


def _sgd(cls, table, **sizes):
    return Model(cls, {**FITTED, **table}, "_state", sizes, _put_sgd, _take_sgd)


SGD = {"history_": History(history.HISTORY), "_state": STATE, "coef_": Coef()}
INTERCEPT = Array("float", ("K",))
SOLVED = {
    "history_": History(COLUMNS),
    "coef_": Coef(),
    "intercept_": INTERCEPT,
    "dual_gap_": Value(float, 0.0, finite=False),
}
MODELS = (
    _sgd(
        SGDClassifier,
        {
            "classes_": Labels(),
            **SGD,
            "intercept_": INTERCEPT,
            "_class_weight": Array("float64", ("C",), optional=True),
        },
        ndim=2,
    ),
    _sgd(SGDRegressor, {"_y_ndim": Value(int, 1, 2, size="ndim"), **SGD, "intercept_": INTERCEPT}),
    _sgd(SGDOneClassSVM, {**SGD, "offset_": INTERCEPT}, K=1, ndim=1),
    Model(
        LinearClassifier,
        {**FITTED, "classes_": Labels(), **SOLVED, "_class_weight": Array("float64", ("C",), optional=True)},
        sizes={"ndim": 2},
    ),
    Model(LinearRegressor, {**FITTED, "_y_ndim": Value(int, 1, 2, size="ndim"), **SOLVED}),
)
BY_NAME = {model.cls.__name__: model for model in MODELS}
