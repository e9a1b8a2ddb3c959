"""What a model file holds of the estimators: the rule of each attribute, of which each class says what it has."""

import math

from fastsgd.persist.labels import Labels
from fastsgd.persist.recorded import Recorded
from fastsgd.persist.restarted import Restarts
from fastsgd.persist.rules import Array, Coef, History, Keywords, Names, Value, pop
from fastsgd.persist.segments import Absent, Column, SegmentLabels, Words
from fastsgd.persist.stretches import Stretches
from fastsgd.persist.tables import STATE, Stored
from fastsgd.persist.values import brief


class Costs:
    """Multiplications, by what takes them."""

    names = {"normal", "pass"}

    def check(self, name, value):
        sound = type(value) is dict and set(value) == self.names
        if not sound or any(type(n) is not float or not 0 <= n < math.inf for n in value.values()):
            raise ValueError(f"{name} must have numbers >= 0 of {sorted(self.names)}, found {brief(value)}")
        return value

    def put(self, name, value, parts):
        parts.values[name] = dict(self.check(name, value))

    def take(self, name, parts):
        return self.check(name, pop(parts, name, dict))


# They are read in this order, as sizes that one has say what others must be.
RULES = {
    "n_features_in_": Value(int, 1, 2**62, size="d"),
    "feature_names_in_": Names(),
    "reading_": Keywords(),
    "_label_columns": Keywords(),
    "_made": Keywords(),
    "n_iter_": Value(int, 0, 2**62),
    "stop_reason_": Value(str),
    "classes_": Labels(),
    "_y_ndim": Value(int, 1, 2, size="ndim"),
    "history_": None,  # Its columns are the class's own.
    "_state": STATE,
    "coef_": Coef(),
    "intercept_": Array("float", ("K",)),
    "offset_": Array("float", ("K",)),
    "dual_gap_": Value(float, 0.0, finite=False),
    "cost_": Absent(Costs()),
    "_class_weight": Array("float64", ("C",), optional=True),
}
SEGMENTS = {
    "segments_": SegmentLabels(),
    "segment_counts_": Array("int64", ("G",)),
    "segment_coefs_": Array("float", ("G", "K", "d")),
    "segment_intercepts_": Array("float64", ("G", "K")),
    "segment_n_iter_": Array("int64", ("G",)),
    "segment_stop_reasons_": Words("G", 16),
}
POINTS = "folds", "ratios", "alphas"
PATHS = {  # Beside these; `n_iter_` in place of that above.
    "n_iter_": Array("int64", POINTS),
    "alpha_": Value(float, 0.0),
    "l1_ratio_": Value(float, 0.0, 1.0),
    "_alphas": Array("float64", ("ratios", "alphas")),
    "l1_ratios_": Array("float64", ("ratios",)),
    "scores_": Array("float64", POINTS, finite=False),
    "dual_gaps_": Array("float64", POINTS, finite=False),
    "coefs_paths_": Array("float", (*POINTS, "K", "d")),
    "intercepts_paths_": Array("float64", (*POINTS, "K")),
}


REASONS = "max_iter", "objective", "max_seconds", "dropped", "diverged"  # Files hold places here: add at the end alone.


class ReasonPlaces(Array):
    """Why trainings have ended, as places in REASONS."""

    def check(self, name, value):
        if value.size and value.max() >= len(REASONS):
            raise ValueError(f"{name} must hold numbers below {len(REASONS)}, found {value.max()}")


TRIED = (*POINTS, "etas")
SEARCH = {
    "alpha_": Value(float, 0.0),
    "l1_ratio_": Value(float, 0.0, 1.0),
    "eta0_": Value(float, 0.0),
    "_has_eta_axis": Value(bool),
    "_alphas": Array("float64", ("ratios", "alphas")),
    "l1_ratios_": Array("float64", ("ratios",)),
    "eta0s_": Array("float64", ("etas",)),
    "_scores": Array("float64", TRIED, finite=False),
    "_n_iter": Array("int64", TRIED),
    "_reasons": ReasonPlaces("uint8", TRIED),
    "_coefs_paths": Array("float", (*TRIED, "K", "d")),
    "_intercepts_paths": Array("float64", (*TRIED, "K")),
}
TOLD = {"_progressive": Stretches(), "_record": Recorded(), "restarts_": Restarts()}
# What only training needs, and what is kept in its place where it is left out.
TRAINING = frozenset({"_state", "_progressive", "_record", "restarts_"})
INSTEAD = {
    "t_": Value(float, 1.0),
    "auto_rule_": Absent(Words("K", 64)),
    "alpha_": Absent(Value(float, 0.0)),
    "half_life_": Absent(Value(float, 1.0, finite=False)),
    "mean_": Absent(Array("float64", ("d",))),
    "scale_": Absent(Array("float64", ("d",), positive=True)),
}
OF_X = "n_features_in_", "feature_names_in_", "reading_", "_label_columns", "_made"
FITTED = *OF_X, "n_iter_", "stop_reason_", "history_"  # All have these.


def stored(cls):
    """The Stored of a class."""
    own = {*FITTED, *cls._of_y, *cls._names, cls._outcome, *({"cost_"} & set(cls._left))}
    table = {name: rule or History(cls._columns_of_history) for name, rule in RULES.items() if name in own}
    if "_state" in own:
        column = {"segment_column_": Absent(Column())}
        table |= (
            {name: Absent(rule) for name, rule in SEGMENTS.items()}
            | column
            | {name: Absent(rule) for name, rule in TOLD.items()}
        )
        how = {"put": _put_published, "take": _take_published, "training": TRAINING, "instead": INSTEAD}
        return Stored(table, "_state", cls._sizes, **how)
    return Stored(table, "coef_", cls._sizes)


def _put_published(est, parts):
    """Write whether coef_ and intercept_ are those of the state, and not what the user has put in their place."""
    if "_state" in vars(est):
        parts.values["published"] = est._as_published()


def _take_published(est, parts):
    there = [name for name in SEGMENTS if name in vars(est)]
    if there and len(there) < len(SEGMENTS):
        raise ValueError(f"{there[0]} must come with {', '.join(name for name in SEGMENTS if name not in there)}")
    if "_state" in vars(est):
        est._known(Value(bool).take("published", parts))
