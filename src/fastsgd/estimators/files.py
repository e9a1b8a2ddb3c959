"""Fitted estimators as files."""

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn import get_config
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.utils.validation import check_is_fitted

from fastsgd import persist
from fastsgd.estimators.hints import Path
from fastsgd.sources.telling import tell

if TYPE_CHECKING:
    from fastsgd.estimators.predictor import Predictor


class ModelFiles(SparseCoefMixin):
    """The methods that write what has been fitted, or make it smaller; and with `_check_params` what `persist` asks for.

    Needs for that `_of_y`, the attributes that are learnt of y; `_sizes`, what is known beforehand of the sizes of arrays;
    `_outcome`, the attribute that only a fit gives; and `_columns_of_history`, the dtype of `history_`.
    """

    _names = "coef_", "intercept_"

    def sparsify(self) -> Self:
        """Make `coef_` sparse, in CSR, of two dimensions, as one of a single dimension can't be multiplied by a CSR X.

        It is a `scipy.sparse.csr_array` where `sklearn.set_config(sparse_interface="sparray")` asks for it, which
        scikit-learn has since 1.9, and otherwise a `csr_matrix`. A model file has the values alone: `load` asks again.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        csr = sp.csr_array if get_config().get("sparse_interface") == "sparray" else sp.csr_matrix
        self.coef_ = csr(np.atleast_2d(coef))
        return self

    def _weights(self):
        """Coefficients and intercepts, to predict with."""
        return self.coef_, self.intercept_

    @classmethod
    def _stored(cls):
        from fastsgd.estimators.stored import stored

        return stored(cls)

    def _exported(self):
        from fastsgd.persist.onnx import Linear

        if hasattr(self, "segments_"):
            tell(
                f"the ONNX model is that of all rows: it has no place for those of the {len(self.segments_)} segments, for which "
                "`save` writes a model file."
            )
        coef, intercept = self._weights()
        coef = coef.toarray() if sp.issparse(coef) else coef
        return Linear(coef=np.atleast_2d(coef), **self._as_exported(np.asarray(intercept)))

    def _snapshot(self):
        return copy.copy(self)

    def save(self, path: Path, *, training_state: bool = True) -> None:
        """Write this fitted estimator to a model file, which `fastsgd.load` reads: see `fastsgd.persist.save`.

        The file holds numbers and words and no code. pickle and joblib work too, for files that you trust, and skops:
        ``skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))``, where all types are of fastsgd,
        and after `sparsify` SciPy's csr_matrix or csr_array.

        Parameters
        ----------
        path : str or path-like
        training_state : bool, default=True
            False: for prediction alone, in a smaller file. What is loaded from it can't go on with `partial_fit`.
        """
        persist.save(self, path, training_state=training_state)

    def to_onnx(self) -> Any:
        """This fitted estimator as an `onnx.ModelProto` that predicts the same.

        Labels and probabilities are those of the estimator. It needs the package onnx.

        Returns
        -------
        onnx.ModelProto
        """
        return persist.to_onnx(self)

    def predictor(self) -> "Predictor":
        """A function that predicts one row at a time, in microseconds: for a service that answers one question at once.

        It holds the coefficients and how columns become features, and nothing of the training.

        Returns
        -------
        Predictor
            ``predictor(row)`` is the label or number of a row, a dict of columns or a sequence of cells;
            ``predictor.predict_proba(row)`` and ``predictor.decision_function(row)`` as those of the estimator.

        Raises
        ------
        ValueError
            The model has segments.
        """
        from fastsgd.estimators.predictor import OfNumbers, Predictor

        check_is_fitted(self)
        if hasattr(self, "segments_"):
            raise ValueError("predictor() is for models without segments: predict a row of these by est.predict.")
        reading = getattr(self, "reading_", {})
        if "columns" in reading:
            from fastsgd.sources.features.encoder import Encoder

            encoder = Encoder.of(reading, self.n_features_in_)
            return Predictor(self._exported(), encoder.lists, encoder.names)
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else list(names)
        return Predictor(self._exported(), OfNumbers(self.n_features_in_, names), names)
