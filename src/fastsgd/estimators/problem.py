"""What a fit learns of its data before the first step. Nothing of it is set on the estimator before the fit is over."""

from dataclasses import dataclass
from typing import NamedTuple

from fastsgd.estimators import held_out
from fastsgd.sources.base import Source


class HeldOut(NamedTuple):
    """The validation set.

    Attributes
    ----------
    X, y, weight : as `_check_data` gives them
    table : Table or Stream
        Of these rows.
    """

    X: object
    y: object
    weight: object
    table: object


@dataclass
class Problem:
    """What there is to be trained on, and how.

    Attributes
    ----------
    est : estimator
        A draft, not yet fitted: it has the parameters, and what was learnt of the data (features, classes, ...).
    table : Table or Stream
        The rows to train on.
    heads : int
    held_out : HeldOut or None
    split_off : bool
        Whether the validation set was among the rows given.
    X, y, metadata
        What was given, for scikit-learn's callbacks.
    segments : by_segment.Given or None
        Of which segment each row is.
    """

    est: object
    table: object
    heads: int
    held_out: HeldOut | None
    split_off: bool
    X: object
    y: object
    metadata: dict | None
    segments: object = None


class Drafts:
    """An estimator that is fitted in one step: a call works on a draft of it."""

    _learnt = (  # of the data
        "n_features_in_",
        "feature_names_in_",
        "reading_",
        "_label_columns",
        "classes_",
        "_class_weight",
        "_y_ndim",
    )
    _left = ()  # by a training
    _noted = ("_made",)  # of a training, by who asked for it

    def _draft(self):
        """An estimator of the same parameters that is not fitted."""
        draft = object.__new__(type(self))
        vars(draft).update(
            {name: value for name, value in vars(self).items() if name not in (*self._left, *self._noted)}
        )
        return draft

    def _as_drafted(self, draft):
        """What is to become the `__dict__` of this estimator, so that it is fitted as that draft is."""
        new, both = vars(draft), (*self._learnt, *self._left, *self._noted)
        kept = {name: x for name, x in vars(self).items() if name not in both}
        return kept | {name: new[name] for name in both if name in new}

    def _problem(self, X, y, sample_weight, validation=(None, None, None), random_state=None, segments=None):
        """The Problem of these data, and maybe of a validation set (X_val, y_val, sample_weight_val)."""
        est = self._draft()
        if segments is not None:
            from fastsgd.estimators import by_segment  # Few fits need it.

            X, segments = by_segment.given(est, X, segments)
        X, y, s = est._check_data(X, y, sample_weight, reset=True)
        targets, split_off = est._learn(y), getattr(self, "early_stopping", False) and validation[0] is None
        if split_off and isinstance(X, Source):
            X, y, validation = held_out.shares(X, y, self.validation_fraction, random_state)
        table = est._rows_of(X, y, s, targets)
        if segments is not None:
            segments.put_into(table)
        held = self._held_out(est, X, y, s, targets, table, validation, random_state)
        if s is not None and not s.any():
            raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
        if held is not None:
            targets.scored_by(self.validation_scoring)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return Problem(est, table, targets.heads, held, split_off, X, y, metadata, segments)

    def _held_out(self, est, X, y, s, targets, table, validation, random_state):
        """The HeldOut that is given, or split off the table; or None."""
        held_out.check(*validation)
        X_val, y_val, s_val = validation
        if X_val is not None:
            X_val, y_val, s_val = est._check_data(*validation, names=("X_val", "y_val"))
            targets.compare(y, y_val)
            return HeldOut(X_val, y_val, s_val, est._rows_of(X_val, y_val, s_val, targets.named("y_val")))
        if not getattr(self, "early_stopping", False):
            return None
        table.rows, val = held_out.split(X, self.validation_fraction, random_state, targets.labels(y), s)
        s_val = None if s is None else s[val]
        return HeldOut(X[val], y[val], s_val, est._rows_of(X[val], y[val], s_val, targets))
