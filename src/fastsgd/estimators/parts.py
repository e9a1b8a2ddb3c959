"""What classifiers share, and what regressors share: from labels and targets to heads, from margins to predictions."""

from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax
from sklearn.base import RegressorMixin
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from fastsgd.estimators import streams
from fastsgd.estimators.hints import Data
from fastsgd.estimators.learnt import Learnt
from fastsgd.estimators.products import product
from fastsgd.estimators.streams import by_blocks
from fastsgd.estimators.targets import Classes, Numbers, is_soft
from fastsgd.estimators.validation import (
    check_labels,
    check_lengths,
    check_weight,
    check_X,
    distributions,
    unique_labels,
)
from fastsgd.losses import LOSSES, MULTICLASS
from fastsgd.sources.base import Source


class needs_probabilities:
    """A method that is there for the losses that give probabilities, as by scikit-learn's `available_if`.

    That says only that the attribute is missing; here the last line of the traceback says what to do.
    """

    def __init__(self, method):
        self.method = method
        update_wrapper(self, method)

    def __get__(self, est, cls=None):
        if est is None:
            return self.method
        loss = getattr(est.loss, "name", est.loss)
        if not getattr(LOSSES.get(loss), "probabilities", False):
            why = AttributeError(
                f"probability estimates are not available for loss={loss!r}; "
                "wrap the classifier in sklearn.calibration.CalibratedClassifierCV, or use loss='log_loss'."
            )
            name = self.method.__name__
            raise AttributeError(f"This {type(est).__name__!r} has no attribute {name!r}: {why}") from why
        return MethodType(self.method, est)


class Parts(Learnt):
    """Needs `_targets()`, how labels become targets, and `_columns()`, the shape of a row's y as far as it is known."""

    _task = None  # in the words of `Loss.task`

    def _heads_loss(self):
        return self._loss()

    def _check_data(self, X, y, sample_weight, reset=False, names=("X", "y"), once=False):
        """(X, y, weights), checked; of a source as `streams.take` says."""
        if isinstance(X, Source):
            return streams.take(self, X, y, sample_weight, reset=reset, names=names, once=once)
        X = check_X(self, X, reset=reset, name=names[0])
        y = self._targets().checked(y, names[1])
        if y is not None:
            check_lengths(X, y, names)
        weight = "sample_weight" if names[0] == "X" else "sample_weight_val"
        return X, y, check_weight(sample_weight, X.shape[0], weight)

    def _learn(self, y):
        """Set what is learnt of y; the Targets that follow."""
        return self._targets_of(y)

    def _targets_of(self, y):
        """The Targets of a y of which all has been learnt."""
        return self._targets()

    def _of_classes(self, classes, first):
        """What follows from the classes that partial_fit is given, as attributes that are to be set."""
        return {}

    def _rows_of(self, X, y, s, targets):
        """The Table of what `_check_data` gives, or the Stream."""
        return streams.stream(self, X, y, targets) if isinstance(X, Source) else targets.table(X, y, s)

    def _products(self, X):
        """The products of rows with the coefficients, and the intercepts."""
        X = check_X(self, X)
        coef, intercept = self._weights()
        return product(X, coef, self.n_jobs), intercept


class ClassifierParts(Parts, LinearClassifierMixin):
    """Needs `classes_`, `_class_weight`, `multi_class` and `_loss()`."""

    _task, _of_y, _sizes = "classifier", ("classes_", "_class_weight"), {"ndim": 2}

    def _check_params(self):
        super()._check_params()
        coupled = MULTICLASS.get(self.multi_class)
        if coupled is not None and self._loss().name != coupled.binary:
            raise ValueError(f"multi_class={self.multi_class!r} needs loss={coupled.binary!r}, got loss={self.loss!r}.")

    def _heads_loss(self):
        """The loss of the heads, which takes those of a row together where the classes are."""
        together = self.multi_class != "ovr" and len(self.classes_) > 2
        return MULTICLASS[self.multi_class]() if together else self._loss()

    def _targets(self):
        return Classes(self._loss(), self.multi_class == "multinomial")

    def _learn(self, y):
        """Set `classes_` and the class weights of y, labels or probabilities; the Targets that follow."""
        soft = self._soft(y)
        if isinstance(y, streams.Surveyed):
            classes = y.classes
        else:
            several = y.shape[1] if y.ndim == 2 else 2
            classes = np.arange(several, dtype=float) if soft else unique_labels(y)
        if len(classes) < 2:
            raise ValueError(f"The number of classes has to be greater than one; got {len(classes)} class")
        self.classes_ = classes
        self._class_weight = self._weigh(classes, y, soft)
        return self._targets_of(y)

    def _of_classes(self, classes, first):
        """Calls after the first one need not have classes, and may not change them; but the weights of these may change."""
        labels = None if classes is None else unique_labels(check_labels(np.asarray(classes), "classes"))
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            if self.class_weight == "balanced":
                raise ValueError(
                    "class_weight 'balanced' is not supported for partial_fit. In order to use 'balanced' weights, use "
                    "compute_class_weight('balanced', classes=classes, y=y). In place of y you can use a large enough sample "
                    "of the full training set target to properly estimate the class frequency distributions. Pass the "
                    "resulting weights as the class_weight parameter."
                )
            if len(labels) < 2:
                raise ValueError(f"The number of classes has to be greater than one; got {len(labels)} class")
            return {"classes_": labels, "_class_weight": self._weigh(labels, labels)}
        if labels is not None and not np.array_equal(self.classes_, labels):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        weight = self._class_weight
        if self.class_weight != "balanced":
            weight = self._weigh(self.classes_, self.classes_)
        same = weight is self._class_weight or np.array_equal(weight, self._class_weight)
        return {} if same else {"_class_weight": weight}

    def _weigh(self, classes, y, soft=False):
        """class_weight for each class, or None where all are 1."""
        if self.class_weight is None:
            return None
        counted = isinstance(y, streams.Surveyed)
        if (soft or counted) and self.class_weight == "balanced":
            mass = y.counts if counted else distributions(y).sum(axis=0)
            return np.where(mass > 0, len(y) / (len(mass) * np.where(mass > 0, mass, 1.0)), 1.0)
        y = classes if soft or counted else y
        try:
            weight = compute_class_weight(self.class_weight, classes=classes, y=y)
        except (TypeError, OverflowError) as error:
            raise ValueError(
                f"class_weight must have numbers for the classes, found {str(self.class_weight)[:80]}."
            ) from error
        if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.any()):
            raise ValueError(f"class_weight must be finite, >= 0 and not all 0, found {self.class_weight}.")
        return weight

    def _columns(self):
        """The shape of a row's y in partial_fit, as far as it is known."""
        return ()

    def _soft(self, y):
        """Whether y holds probabilities and not labels."""
        return y.soft if isinstance(y, streams.Surveyed) else is_soft(y, self._loss())

    def _targets_of(self, y):
        together = self.multi_class == "multinomial"
        return Classes(self._loss(), together, self.classes_, self._class_weight, self._heads_loss(), self._soft(y))

    def _attributes(self, coef, intercept):
        return {"coef_": coef, "intercept_": intercept}

    # ------------------------------------------------------------ prediction
    @by_blocks
    def decision_function(self, X: Data) -> NDArray[Any]:
        """Margins x.w + b.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        check_is_fitted(self)
        products, intercept = self._products(X)
        scores = products + intercept
        return scores.ravel() if scores.shape[1] == 1 else scores

    @by_blocks
    def predict(self, X: Data) -> NDArray[Any]:
        """The class of largest margin.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the labels in `classes_`.
        """
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.intp)]

    def score(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Share of the rows, by weight, whose label is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,), default=None
            The true labels. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1.0 where all are right.
        """
        if isinstance(X, Source):
            streams.check_own(y, sample_weight)
            return streams.accuracy(self, X)
        return super().score(X, y, sample_weight)

    @needs_probabilities
    @by_blocks
    def predict_proba(self, X: Data) -> NDArray[Any]:
        """Probability of each class.

        With multi_class="multinomial" the softmax of the margins. Else with "log_loss" the logistic function of the
        margin, with "modified_huber" (clip(margin, -1, 1) + 1) / 2 (Zhang 2004); for more than two classes those numbers,
        normalised (Zadrozny and Elkan 2002). Other losses have none: wrap the classifier in
        sklearn.calibration.CalibratedClassifierCV.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        AttributeError
            For the other losses.
        """
        z = np.asarray(self.decision_function(X), np.float64)
        if self._by_margin():
            return np.exp(self._log_probabilities(z))
        p = (1.0 + np.clip(z, -1.0, 1.0)) / 2.0
        if z.ndim == 1:
            return np.column_stack([(1.0 - np.clip(z, -1.0, 1.0)) / 2.0, p])
        total = p.sum(axis=1, keepdims=True)
        return np.where(total > 0, p, 1.0) / np.where(total > 0, total, p.shape[1])

    @needs_probabilities
    @by_blocks
    def predict_log_proba(self, X: Data) -> NDArray[Any]:
        """Logarithm of `predict_proba`.

        With "log_loss" it follows from the margins, and so is finite where a probability is 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        AttributeError
            For losses without probabilities.
        """
        if self._by_margin():
            return self._log_probabilities(np.asarray(self.decision_function(X), np.float64))
        with np.errstate(divide="ignore"):  # a probability of modified_huber may be 0
            return np.log(self.predict_proba(X))

    def _by_margin(self):
        """Whether log-probabilities follow from the margins, however far from 0 these are."""
        return self._loss().log_odds

    def _as_exported(self, intercept):
        link = None
        if hasattr(self, "predict_proba"):
            link = "softmax" if self._heads_loss().coupled else "logistic" if self._by_margin() else "clipped"
        return {"kind": "classifier", "intercept": intercept, "link": link, "classes": self.classes_}

    def _log_probabilities(self, z):
        """Those of margins; several classes are normalised as logarithms, since all their probabilities may round to 0."""
        if z.ndim == 1:
            return log_expit(np.column_stack([-z, z]))
        return log_softmax(z if self._heads_loss().coupled else log_expit(z), axis=1)


class RegressorParts(Parts, RegressorMixin):
    """Needs `_loss()` and `_y_ndim`."""

    _task, _of_y, _sizes = "regressor", ("_y_ndim",), {}

    def _targets(self):
        return Numbers(self._loss())

    def _columns(self):
        """The shape of a row's y in `fit`."""
        return () if self._y_ndim == 1 else (len(self._weights()[1]),)

    def _learn(self, y):
        self._y_ndim = y.ndim
        return self._targets_of(y)

    def _targets_of(self, y):
        if not hasattr(self, "_y_ndim"):  # in the first call of partial_fit
            self._y_ndim = y.ndim
        return Numbers(self._loss(), y.shape[1:])

    def _attributes(self, coef, intercept):
        return {"coef_": coef if self._y_ndim == 2 else coef[0], "intercept_": intercept}

    # ------------------------------------------------------------ prediction
    @by_blocks
    def predict(self, X: Data) -> NDArray[Any]:
        """The predicted target; with a log link the mean exp(x.w + b).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        ndarray of the shape of y, but for the number of rows
        """
        check_is_fitted(self)
        products, intercept = self._products(X)
        raw = products + intercept
        return self._loss().mean(raw.ravel() if self._y_ndim == 1 else raw)

    def score(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination, R^2, mean over the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The true targets. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1.0 at best, 0.0 of the mean of y, and below where it is worse than that.
        """
        if isinstance(X, Source):
            streams.check_own(y, sample_weight)
            return streams.r2(self, X)
        return super().score(X, y, sample_weight)

    def _as_exported(self, intercept):
        link = "exp" if self._loss().offers("mean") else None
        return {"kind": "regressor", "intercept": intercept, "link": link, "flat": self._y_ndim == 1}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
