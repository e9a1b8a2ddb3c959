"""Predictions by the segment of a row: the methods of rows of estimators that have a model for each segment."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastsgd.estimators.hints import Data, Labels
from fastsgd.estimators.parts import needs_probabilities


class Segmented:
    """Rows that have been checked, and the place of each one's segment; that behind the last stands for all rows."""

    def __init__(self, X, places):
        self.X, self.places, self.shape = X, places, X.shape


class BySegment:
    """It comes before the other bases, whose methods it tells of the segments.

    `segments` is, in each method, labels (n_samples,), or the name or index of the column of X that holds them; None is the
    column of `fit`, or if labels were given there, the model of all rows. Segments that were not in `fit` have the model of
    all rows, and so have missing labels.
    """

    def _rows(self, X, segments):
        """X, or Segmented rows where the model has segments."""
        if type(X) is Segmented or (segments is None and not hasattr(self, "segments_")):
            return X
        from fastsgd.estimators import by_segment  # Few predictions need it.

        return by_segment.segmented(self, X, segments)

    def _products(self, X):
        if type(X) is not Segmented:
            return super()._products(X)
        from fastsgd.estimators import by_segment

        return by_segment.products_of(self, X)

    def _features_of(self, data):
        rows = self._rows(data, None)
        return rows.X if type(rows) is Segmented else super()._features_of(rows)

    def coefficients(
        self,
        top: int | None = 20,
        *,
        data: Data | None = None,
        feature_names: ArrayLike | None = None,
        segment: Any = None,
    ) -> Any:
        """The coefficients by the names of their features, in the units of the data, the weightiest first.

        See `SGDOneClassSVM.coefficients`, which says in which order they are.

        Parameters
        ----------
        top : int or None, default=20
            How many features, of each class or target; None is all. Features with a coefficient of 0 are left out.
        data : {array-like, sparse matrix} of shape (n_samples, n_features), or Source, default=None
            Rows like those of `fit`, which give the scales and, of a source, the names of hashed features.
        feature_names : array-like of str of shape (n_features,), default=None
            As of a step before: ``pipeline[:-1].get_feature_names_out()``. None: those of `fit` and of `data`, and x0, x1, ...
            where there are none.
        segment : label, default=None
            Of a model that was fitted with segments: the one whose model it is. None: the model of all rows.

        Returns
        -------
        CoefficientTable
        """
        if segment is None:
            return super().coefficients(top, data=data, feature_names=feature_names)
        from fastsgd.estimators import by_segment

        return self._table_of_coefficients(top, data, feature_names, *by_segment.model_of(self, segment))

    def contributions(self, X: Data, *, segments: Labels = None) -> Any:
        """What each feature adds to the margin of each row: its value times its coefficient; and the intercept.

        The shares of a row add up to its margin, which is `decision_function`, the prediction of a regressor, or with a log
        link the logarithm of that. They are worked out in float64.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
            The shares of all rows of a source are in memory at once:
            ``fastsgd.sources.predict_batches(est, source, "contributions")`` gives those of a block after another.
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_features + 1), or (n_samples, n_classes or n_targets, n_features + 1)
            The last column is the intercept, as in `pred_contrib` of LightGBM and XGBoost. Of a sparse X a CSR matrix, with
            the values that X stores and the intercept; of several classes or targets a list of such matrices.
        """
        return super().contributions(self._rows(X, segments))


class ClassifierBySegment(BySegment):
    """For classifiers."""

    def decision_function(self, X: Data, *, segments: Labels = None) -> NDArray[Any]:
        """Margins x.w + b.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        return super().decision_function(self._rows(X, segments))

    def predict(self, X: Data, *, segments: Labels = None) -> NDArray[Any]:
        """The class of largest margin.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        segments : array-like of shape (n_samples,), str or int, default=None
            Of a model that was fitted with segments: the label of each row's segment, or the name or index of the column of X
            that holds them. None: the column of `fit`; or if labels were given there, the model of all rows. That also predicts
            segments that were not in `fit`, and rows whose label is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the labels in `classes_`.
        """
        return super().predict(self._rows(X, segments))

    @needs_probabilities
    def predict_proba(self, X: Data, *, segments: Labels = None) -> NDArray[Any]:
        """Probability of each class.

        With multi_class="multinomial" the softmax of the margins. Else with "log_loss" the logistic function of the
        margin, with "modified_huber" (clip(margin, -1, 1) + 1) / 2 (Zhang 2004); for more than two classes those numbers,
        normalised (Zadrozny and Elkan 2002). Other losses have none: wrap the classifier in
        sklearn.calibration.CalibratedClassifierCV.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        AttributeError
            For the other losses.
        """
        return super().predict_proba(self._rows(X, segments))

    @needs_probabilities
    def predict_log_proba(self, X: Data, *, segments: Labels = None) -> NDArray[Any]:
        """Logarithm of `predict_proba`.

        With "log_loss" it follows from the margins, and so is finite where a probability is 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        AttributeError
            For losses without probabilities.
        """
        return super().predict_log_proba(self._rows(X, segments))

    def score(
        self,
        X: Data,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        segments: Labels = None,
    ) -> float:
        """Share of the rows, by weight, whose label is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,), default=None
            The true labels. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        float
            1.0 where all are right.
        """
        return super().score(self._rows(X, segments), y, sample_weight)


class RegressorBySegment(BySegment):
    """For regressors."""

    def predict(self, X: Data, *, segments: Labels = None) -> NDArray[Any]:
        """The predicted target; with a log link the mean exp(x.w + b).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        segments : array-like of shape (n_samples,), str or int, default=None
            Of a model that was fitted with segments: the label of each row's segment, or the name or index of the column of X
            that holds them. None: the column of `fit`; or if labels were given there, the model of all rows. That also predicts
            segments that were not in `fit`, and rows whose label is missing.

        Returns
        -------
        ndarray of the shape of y, but for the number of rows
        """
        return super().predict(self._rows(X, segments))

    def score(
        self,
        X: Data,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        segments: Labels = None,
    ) -> float:
        """Coefficient of determination, R^2, mean over the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The true targets. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None
        segments : array-like of shape (n_samples,), str or int, default=None
            As in `predict`.

        Returns
        -------
        float
            1.0 at best, 0.0 of the mean of y, and below where it is worse than that.
        """
        return super().score(self._rows(X, segments), y, sample_weight)
