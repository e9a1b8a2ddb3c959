"""What a model file holds of the estimators: the parts of the tables that they declare, each beside its own attributes."""

from fastsgd import history
from fastsgd.persist.rules import Array, Coef, History, Keywords, Labels, Names, Value
from fastsgd.persist.tables import STATE, Stored

FITTED = {
    "n_features_in_": Value(int, 1, 2**62, size="d"),
    "feature_names_in_": Names(),
    "reading_": Keywords(),
    "n_iter_": Value(int, 0, 2**62),
    "stop_reason_": Value(str),
}
CLASSES, Y_NDIM = {"classes_": Labels()}, {"_y_ndim": Value(int, 1, 2, size="ndim")}
INTERCEPT, CLASS_WEIGHT = Array("float", ("K",)), {"_class_weight": Array("float64", ("C",), optional=True)}


def trained(before, after, **sizes):
    """What is stored of an estimator that is trained, of these attributes before and after those that all have."""
    own = {"history_": History(history.HISTORY), "_state": STATE, "coef_": Coef()}
    return Stored({**FITTED, **before, **own, **after}, "_state", sizes, _put_state, _take_state)


def solved(before, columns, after=(), **sizes):
    """What is stored of an estimator that is solved, with these columns of `history_`."""
    own = {
        "history_": History(columns),
        "coef_": Coef(),
        "intercept_": INTERCEPT,
        "dual_gap_": Value(float, 0.0, finite=False),
    }
    return Stored({**FITTED, **before, **own, **dict(after)}, sizes=sizes)


def _put_state(est, parts):
    """Whether coef_ and intercept_ are those of the state, and not what the user has put in their place."""
    parts.values["published"] = est._as_published()


def _take_state(est, parts):
    """Whether they are."""
    est._known(Value(bool).take("published", parts))
