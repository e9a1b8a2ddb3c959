"""Standard errors and intervals of LinearClassifier and LinearRegressor."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from fastsgd.estimators.hints import Data
from fastsgd.estimators.streams import of_all_blocks
from fastsgd.estimators.validation import check_X
from fastsgd.estimators.weak import FitData
from fastsgd.sources.base import Source
from fastsgd.sources.telling import tell


class OfHeads:
    """What intervals ask of an estimator, however its standard errors are worked out."""

    @property
    def _several(self):
        """Whether there are several classes or targets."""
        return len(np.atleast_1d(self.intercept_)) > 1 or getattr(self, "_y_ndim", 1) == 2

    def _check_kind(self, kind, robust, new=True):
        loss, kinds = self._loss(), ["mean", "margin"] + ["new"] * new
        if kind not in kinds:
            raise ValueError(f"kind must be {', '.join(map(repr, kinds[:-1]))} or {kinds[-1]!r}, got {kind!r}.")
        if kind == "new" and not loss.quadratic:
            raise ValueError(
                f"kind='new' is for loss='squared_error', whose errors are taken to be normal; with loss={loss.name!r} "
                "take kind='mean'."
            )
        if kind == "new" and robust:
            raise ValueError("kind='new' takes all errors to have the same variance: leave out robust and clusters.")
        if kind == "mean" and self._task == "classifier" and (self._several or not loss.log_odds):
            why = "of several classes are normalised" if self._several else f"are not what loss={loss.name!r} estimates"
            raise ValueError(f"the probabilities {why}: take kind='margin', the interval of decision_function.")


class Intervals(OfHeads):
    """Needs `_check_data`, `_targets_of` and `_rows_of`, the coefficients, and `_fit_data`, what `fit` was given."""

    _fit_data = FitData()

    def coef_table(
        self,
        confidence_level: float = 0.95,
        robust: bool | str = False,
        clusters: ArrayLike | None = None,
        *,
        X: Data | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Coefficients with standard errors, tests against 0 and confidence intervals.

        They follow from the Hessian at the optimum, and with `robust` or `clusters` from the sums of the rows' gradients too:
        two passes over the rows of the fit, and their products. With an L2 penalty the intervals are of the penalised target,
        the coefficients that minimise the objective on all the data there could be: these are drawn towards 0, and the
        intervals do not make up for that. With penalty=None they are those of maximum likelihood.

        Parameters
        ----------
        confidence_level : float in (0, 1), default=0.95
        robust : bool or {"HC0", "HC1"}, default=False
            False: the variance of y around its mean is that of the loss's distribution ("log_loss": binomial, "poisson"; with
            "squared_error" and "gamma" the dispersion is estimated). True is "HC1", a sandwich that holds whatever the variance
            is: "HC0" times n / (n - p). Losses of no distribution ("huber", "squared_hinge", ...) have the sandwich alone.
        clusters : array-like of shape (n_samples,), default=None
            A label for each row; rows of one label may depend on each other. The sandwich of their sums, times
            G / (G - 1) (n - 1) / (n - p) for G clusters, or without that factor with robust="HC0".
        X, y, sample_weight : as in `fit`, default=None
            The rows of the fit. They need not be given while whoever called `fit` keeps what was passed there, unchanged: no
            copy is kept with the model, nor saved with it. A weight of 2 is a row of half the variance, as statsmodels'
            `WLS` and `var_weights` have it; where the dispersion is known or `robust` is set, it is as good as two rows
            or of no effect by its size. Rows of weight 0 do not count.

        Returns
        -------
        pandas.DataFrame, or structured array without pandas
            Columns coef, se, z_value, p_value, ci_lower, ci_upper; rows "intercept" and the features (x0, x1, ... if they have
            no names), with several classes or targets below one another. The distribution is Student's t with n - p degrees of
            freedom for "squared_error", with G - 1 for clusters, else the normal one. What the data say nothing of (constant
            and collinear columns) is nan. `attrs` says what the intervals are of, and how they were worked out.

        Raises
        ------
        ValueError
            A loss without curvature, an L1 penalty, softmax, too many columns, or rows that are not there any more.

        Warns
        -----
        UserWarning
            The coefficients are not near enough to the optimum; columns that are not identified; separated classes; few
            rows or clusters.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((1000, 2))
        >>> y = X @ [1.0, 0.0] + rng.standard_normal(1000)
        >>> reg = LinearRegressor(penalty=None).fit(X, y)
        >>> reg.coef_table().round(2)
                   coef    se  z_value  p_value  ci_lower  ci_upper
        intercept -0.05  0.03    -1.52     0.13     -0.11      0.01
        x0         0.96  0.03    31.63     0.00      0.90      1.02
        x1        -0.02  0.03    -0.56     0.57     -0.08      0.04
        """
        from fastsgd.estimators.coef_table import Table

        return Table(self, self._covariances(robust, clusters, X, y, sample_weight), confidence_level).frame()

    def std_errors(
        self,
        robust: bool | str = False,
        clusters: ArrayLike | None = None,
        *,
        X: Data | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Standard errors of the intercept, if there is one, and the coefficients: see `coef_table`.

        Parameters
        ----------
        robust, clusters, X, y, sample_weight
            As in `coef_table`.

        Returns
        -------
        ndarray of shape (n,) or (n_classes or n_targets, n)
        """
        return np.sqrt(
            np.diagonal(self.covariance_matrix(robust, clusters, X=X, y=y, sample_weight=sample_weight), 0, -2, -1)
        )

    def covariance_matrix(
        self,
        robust: bool | str = False,
        clusters: ArrayLike | None = None,
        *,
        X: Data | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Covariance of the intercept, if there is one (it comes first), and the coefficients: see `coef_table`.

        Parameters
        ----------
        robust, clusters, X, y, sample_weight
            As in `coef_table`.

        Returns
        -------
        ndarray of shape (n, n), or (n_classes or n_targets, n, n)
            Of each class or target by itself; nan where the data say nothing of a coefficient.
        """
        found = [one.matrix for one in self._covariances(robust, clusters, X, y, sample_weight).each]
        return np.array(found) if self._several else found[0]

    def predict_interval(
        self,
        X: Data,
        confidence_level: float = 0.95,
        *,
        kind: str = "mean",
        robust: bool | str = False,
        clusters: ArrayLike | None = None,
        rows: tuple[Any, ...] | None = None,
    ) -> NDArray[np.float64]:
        """Confidence intervals of predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        confidence_level : float in (0, 1), default=0.95
        kind : {"mean", "margin", "new"}, default="mean"
            "mean": of the mean that is predicted, with "log_loss" the probability of the second class; where there is a link
            the interval of the margin, through the link (the delta method on its scale). "margin": of x.w + b. "new": of another
            observation of weight 1, with "squared_error", whose errors are then taken to be normal.
        robust, clusters
            As in `coef_table`.
        rows : (X, y) or (X, y, sample_weight), default=None
            The rows of the fit, where what was passed to `fit` is no longer there.

        Returns
        -------
        ndarray of shape (n_samples, 2), or (n_samples, n_classes or n_targets, 2)
            Lower and upper ends; nan where a prediction depends on what the data of the fit say nothing of.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearClassifier
        >>> X = np.random.default_rng(0).standard_normal((1000, 2))
        >>> y = X[:, 0] + np.random.default_rng(1).logistic(size=1000) > 0
        >>> clf = LinearClassifier(penalty=None).fit(X, y)
        >>> clf.predict_interval(np.zeros((1, 2))).round(2)
        array([[0.45, 0.52]])
        """
        from fastsgd.estimators.coef_table import check_level, ends, intervals_of_rows

        check_is_fitted(self)
        check_level(confidence_level)
        self._check_kind(kind, bool(robust) or clusters is not None)
        given = (*rows, *[None] * (3 - len(rows))) if rows is not None else (None, None, None)
        found = self._covariances(robust, clusters, *given)

        def of(X):
            margins = intervals_of_rows(self, found, check_X(self, X), confidence_level, kind == "new")
            out = ends(self, margins, kind)
            return out if self._several else out[:, 0]

        return of_all_blocks(self, X, of) if isinstance(X, Source) else of(X)

    def summary(
        self,
        confidence_level: float = 0.95,
        robust: bool | str = False,
        clusters: ArrayLike | None = None,
        *,
        X: Data | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        """Print `coef_table`, with the loss, the number of rows, how the fit ended, and what the intervals are of.

        Parameters
        ----------
        confidence_level, robust, clusters, X, y, sample_weight
            As in `coef_table`.
        """
        from fastsgd.estimators.coef_table import Table

        print(Table(self, self._covariances(robust, clusters, X, y, sample_weight), confidence_level).text())

    # ------------------------------------------------------------ what they need
    def _coefficients(self):
        """W (d, K) and b (K,), float64."""
        W = np.atleast_2d(np.asarray(self._dense(), np.float64)).T
        return np.ascontiguousarray(W), np.atleast_1d(np.asarray(self.intercept_, np.float64))

    def _covariances(self, robust, clusters, X, y, sample_weight):
        """The Covariances of this fit, with the warnings that they call for."""
        from fastsgd.estimators.coef_table import Covariances, check_loss, kind_of
        from fastsgd.solvers.covariance import covariances

        check_is_fitted(self)
        check_loss(self, robust, clusters)
        if X is None and y is None and sample_weight is None:
            X, y, sample_weight = self._fit_data.get()
        X, y, s = self._check_data(X, y, sample_weight, names=("X", "y"))
        targets = self._targets_of(y)
        W, b = self._coefficients()
        if targets.heads != len(b):
            raise ValueError(f"y has {targets.heads} targets, and the model {len(b)}: pass the y of the fit.")
        table = self._solver_table(self._rows_of(X, y, s, targets))
        kind = kind_of(robust, clusters, table.X.shape[0])
        found = Covariances(covariances(table, self._solver_task(), W, b, kind), kind)
        for words in found.warnings(self):
            tell(words)
        return found
