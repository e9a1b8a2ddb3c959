"""What a model has learnt, by the names of the features: its coefficients, and what they add to a prediction."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fastsgd.estimators.hints import Data
from fastsgd.estimators.validation import check_X
from fastsgd.sources.base import Source
from fastsgd.sources.blocks import over_blocks


class Learnt:
    """Needs `_weights()` and `_task`. What few users need is loaded on use."""

    def coefficients(
        self, top: int | None = 20, *, data: Data | None = None, feature_names: ArrayLike | None = None
    ) -> Any:
        """The coefficients by the names of their features, in the units of the data, the weightiest first.

        A coefficient of a column of large numbers is small, whatever it is worth. So features are in the order of the size of
        their share, which is the coefficient times the scale of the feature: what a usual deviation of the feature adds to the
        margin. The scale is the standard deviation in `data`, where these are given, else what training has seen of it: the
        standard deviation, with standardize=True, or with learning_rate="auto" on dense rows; the root mean square, with
        learning_rate="auto" on CSR. Where neither is known, features are in the order of the size of their coefficients, which
        says how much they matter only if all have the same scale. The table says which it is.

        Parameters
        ----------
        top : int or None, default=20
            How many features, of each class or target; None is all. Features with a coefficient of 0 are left out.
        data : {array-like, sparse matrix} of shape (n_samples, n_features), or Source, default=None
            Rows like those of `fit`, such as these themselves; no y is needed. They give the scales. Of a source whose words
            were hashed they also give the names of these features: those of the words found in the rows. A second pass over
            the rows keeps the names of the features in the table alone. Where several words share a feature all are
            named, of many the first eight; one that counts with the other sign has a minus.
        feature_names : array-like of str of shape (n_features,), default=None
            As of a step before: ``pipeline[:-1].get_feature_names_out()``. None: those of `fit` and of `data`, and x0, x1, ...
            where there are none.

        Returns
        -------
        CoefficientTable
            `str()` and a notebook show it, `to_frame()` makes a DataFrame of it, and `rows` is a structured array with
            the columns feature, class or target if there are several, coef, scale and share (nan where no scale is known).
            Of two classes a positive coefficient speaks for the second one in `classes_`; of more, each has its own
            coefficients. With a log link they are of the logarithm of the mean.

        Raises
        ------
        ValueError
            `top` is no such number, or `data` can't be read as the rows of `fit` were.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import SGDClassifier
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((1000, 3)) * [1.0, 1000.0, 1.0]
        >>> y = np.where(X @ [1.0, -0.002, 0.0] > 0, "yes", "no")
        >>> clf = SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0).fit(X, y)
        >>> clf.coefficients(top=2)["feature"].tolist()
        ['x1', 'x0']
        """
        return self._table_of_coefficients(top, data, feature_names)

    def _table_of_coefficients(self, top, data, given, model=None, of=""):
        """`coefficients` of a model (coefficients, intercepts), by default that of all rows."""
        from fastsgd.estimators import contributions, scales
        from fastsgd.estimators.learnt_table import check_top, table_of
        from fastsgd.estimators.names import checked_names, named_in

        check_is_fitted(self)
        check_top(top)
        given = None if given is None else checked_names(self, given)
        scale, words = scales.in_training(self) if data is None else scales.in_rows(self, data)
        model = contributions.model(self) if model is None else model
        return table_of(self, *model, scale, words, top, lambda places: named_in(self, places, data, given), of)

    def contributions(self, X: Data) -> Any:
        """What each feature adds to the margin of each row: its value times its coefficient; and the intercept.

        The shares of a row add up to its margin, which is `decision_function`, the prediction of a regressor, or with a log
        link the logarithm of that. They are worked out in float64.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
            The shares of all rows of a source are in memory at once:
            ``fastsgd.sources.predict_batches(est, source, "contributions")`` gives those of a block after another.

        Returns
        -------
        ndarray of shape (n_samples, n_features + 1), or (n_samples, n_classes or n_targets, n_features + 1)
            The last column is the intercept, as in `pred_contrib` of LightGBM and XGBoost. Of a sparse X a CSR matrix, with
            the values that X stores and the intercept; of several classes or targets a list of such matrices.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
        >>> reg = LinearRegressor(penalty=None).fit(X, X @ [2.0, -1.0] + 3.0)
        >>> reg.contributions([[10.0, 100.0]]).round(3) + 0.0
        array([[  20., -100.,    3.]])
        """
        from fastsgd.estimators import contributions

        check_is_fitted(self)
        if not isinstance(X, Source):
            return contributions.of_rows(self, X)
        parts = list(over_blocks(self, X, self.contributions))
        if not parts:
            raise ValueError("the source has no rows.")
        return contributions.joined(parts)

    def _at_zero(self, intercept):
        """The margins of a row of zeros, of the intercepts."""
        return np.asarray(intercept, np.float64)

    def _features_of(self, data):
        """Rows as the model takes them, checked, where a column that says of which segment they are is left out."""
        return check_X(self, data, name="data")
