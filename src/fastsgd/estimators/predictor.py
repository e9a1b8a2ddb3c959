"""Predictions of one row at a time, for services: without tables, and without what only training needs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from fastsgd.persist.onnx import Linear

Row = Mapping[str, Any] | Sequence[Any]


class Predictor:
    """Predicts one row at a time: what `est.predictor()` gives.

    It holds the coefficients and how columns become features, and nothing of the training: what is learnt later does not change
    it. Several threads may call it at once, and it pickles.

    Parameters
    ----------
    model : Linear
    encode : callable
        From a row to (features, values), two lists.
    names : list of str or None
        The columns of a row, in the order in which a sequence has them; None where they have no names.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastsgd import SGDClassifier
    >>> from fastsgd.sources import from_arrow
    >>> table = pa.table({"late": ["no", "yes"] * 50, "from": ["JFK", "LGA"] * 50, "miles": [1.0, 2.0] * 50})
    >>> clf = SGDClassifier(loss="log_loss", random_state=0).fit(from_arrow(table, target="late"))
    >>> predict = clf.predictor()
    >>> predict({"from": "LGA", "miles": 2})
    'yes'
    >>> predict.predict_proba({"from": "LGA", "miles": 2}).round(1)
    array([0., 1.])
    """

    def __init__(
        self, model: Linear, encode: Callable[[Row], tuple[list[int], list[float]]], names: list[str] | None
    ) -> None:
        self._coef = np.array(
            model.coef.T, order="C"
        )  # The coefficients of a feature lie side by side, and are no view.
        self._intercept = np.array(model.intercept, np.float64).ravel()
        self._link, self._kind, self._flat = model.link, model.kind, model.flat
        self._classes = None if model.classes is None else model.classes.tolist()
        self._encode, self.names = encode, names

    def __call__(self, row: Row) -> Any:
        """As `predict`."""
        return self.predict(row)

    def predict(self, row: Row) -> Any:
        """The label of a row, or the number that is predicted.

        Parameters
        ----------
        row : dict of column to cell, or sequence of the cells in the order of `names`
            Of a model that was fitted to arrays, a sequence of numbers or a dict of names, or of numbers of columns, to numbers.

        Returns
        -------
        label, float or list of float
            As `est.predict` has it for this row.

        Raises
        ------
        ValueError
            A column is missing, or is not what it was in training; it is named.
        """
        margins = self._margins(row)
        if self._classes is not None:
            return self._classes[int(margins.argmax()) if len(margins) > 1 else int(margins[0] > 0)]
        if self._kind == "outliers":
            return 1 if margins[0] >= 0 else -1
        found = np.exp(margins) if self._link == "exp" else margins
        return float(found[0]) if self._flat else found.tolist()

    def decision_function(self, row: Row) -> Any:
        """The margin of a row; of several classes an array (n_classes,).

        Parameters
        ----------
        row : dict or sequence
            As in `predict`.

        Returns
        -------
        float or ndarray of shape (n_classes,)
        """
        margins = self._margins(row)
        return float(margins[0]) if len(margins) == 1 else margins

    def predict_proba(self, row: Row) -> np.ndarray:
        """The probabilities of the classes of a row.

        Parameters
        ----------
        row : dict or sequence
            As in `predict`.

        Returns
        -------
        float64 ndarray of shape (n_classes,)

        Raises
        ------
        AttributeError
            The model has no probabilities.
        """
        if self._classes is None or self._link is None:
            raise AttributeError("this model has no probabilities: train a classifier with loss='log_loss'.")
        z = self._margins(row)
        if self._link == "softmax":
            return softmax(z)
        if len(z) == 1:
            p = expit(z[0]) if self._link == "logistic" else (np.clip(z[0], -1.0, 1.0) + 1.0) / 2.0
            return np.array([expit(-z[0]) if self._link == "logistic" else 1.0 - p, p])
        if self._link == "logistic":
            return np.exp(log_softmax(-np.logaddexp(0.0, -z)))
        p = (1.0 + np.clip(z, -1.0, 1.0)) / 2.0
        total = p.sum()
        return p / total if total > 0 else np.full(len(p), 1.0 / len(p))

    def _margins(self, row: Row) -> np.ndarray:
        features, values = self._encode(row)
        return np.dot(values, self._coef[features]) + self._intercept


class OfNumbers:
    """A row of numbers as features, of a model that was fitted to arrays."""

    def __init__(self, n_features: int, names: Sequence[str] | None) -> None:
        self.n_features = n_features
        self.places = None if names is None else {name: i for i, name in enumerate(names)}

    def __call__(self, row: Row) -> tuple[list[int], list[float]]:
        if isinstance(row, Mapping):
            return self._of_dict(row)
        values = np.asarray(row, np.float64)
        if values.shape != (self.n_features,):
            raise ValueError(
                f"a row must be a sequence of {self.n_features} numbers, or a dict, got the shape {values.shape}."
            )
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"the row has {values[at]} in column {at}: give a number.")
        return list(range(self.n_features)), values.tolist()

    def _of_dict(self, row: Mapping[Any, Any]) -> tuple[list[int], list[float]]:
        """Of names, or numbers of columns, to numbers; columns that are not named are 0."""
        places = range(self.n_features) if self.places is None else self.places
        for name, value in row.items():
            if name not in places:
                what = (
                    f"of names of columns, and {name!r} is none"
                    if self.places
                    else f"of columns below {self.n_features}"
                )
                raise ValueError(f"a row must be a dict {what}, got {name!r}.")
            if not np.isfinite(value):
                raise ValueError(f"column {name!r} is {value!r}: give a number.")
        return [int(places[name]) for name in row], [float(value) for value in row.values()]
