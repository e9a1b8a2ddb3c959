"""The objective of an estimator as a function of its coefficients: its value, gradient and curvature, at any of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from fastsgd import objective as objectives
from fastsgd.estimators.hints import Data
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import Scaling, moments
from fastsgd.state import padded

MAX_HESSIAN_NUMBERS = 4096  # coefficients and intercepts of which all second derivatives fill 134 MB


class Derivatives(NamedTuple):
    """What goes along with the coefficients and the intercepts of an estimator, of their shapes."""

    coef: NDArray[Any]
    intercept: NDArray[Any]


@dataclass
class _Point:
    """Where the objective is asked for: rows, plan, and a model of the rows as they are trained on."""

    est: Any
    table: Any
    plan: Any
    W: NDArray[Any]
    b: NDArray[Any]
    own: tuple[NDArray[Any], NDArray[Any]] = ()  # coefficients (K, n_features) and intercepts in the units of the user
    mean: NDArray[Any] | None = None
    std: NDArray[Any] | None = None

    def inward(self, W, b):
        """A model, or a direction, in the units in which rows are trained on."""
        if self.std is None:
            return W, b
        return W * self.std[:, None], b + (self.mean @ W)[: len(b)]

    def _inward_flat(self, z):
        """`inward` of coef_.ravel() followed by intercept_.ravel()."""
        K = len(self.b)
        return self.inward(z[:-K].reshape(K, -1).T, z[-K:])

    def objectives(self, origin, directions, points):
        """The objective at origin + points @ directions, which are flat: coef_.ravel() and then intercept_.ravel()."""
        from fastsgd import plane_objective

        models = [self._inward_flat(z) for z in (origin, *directions)]
        return plane_objective.objectives(self.table, self.plan, models[0], models[1:], points)

    def spreads(self, directions):
        """Root mean squares of y - intercept and of the products of rows with directions, as `plane_objective.spreads`."""
        from fastsgd import plane_objective

        return plane_objective.spreads(self.table, self.b, [self._inward_flat(z) for z in directions])

    @property
    def in_memory(self):
        """Whether the rows are those of arrays, any of which can be drawn."""
        return isinstance(self.table, Table)

    def row_gradients(self):
        """The RowGradients of all rows, in the units in which they are trained on."""
        from fastsgd import noise

        return noise.row_gradients(self.table, self.plan, self.W, self.b)

    def sampled_noise(self, batch_sizes, n_draws, rng):
        """As `noise.sampled`, of rows in memory."""
        from fastsgd import noise

        return noise.sampled(self.table, self.plan, self.W, self.b, batch_sizes, n_draws, rng)

    def back(self, G, g):
        """Derivatives in the units of the user, of those in which rows are trained on; shaped as the attributes."""
        G = G[:, : len(g)]
        if self.std is not None:
            G = G * self.std[:, None] + np.outer(self.mean, g)
        values = self.est._attributes(np.ascontiguousarray(G.T), g)
        return Derivatives(*(values[name] for name in self.est._names))


class ObjectiveFunctions:
    """The public functions. They need `_check_data`, `_learn`, `_targets_of`, `_rows_of` and `_plan_of_objective(table)`."""

    def objective(
        self,
        X: Data,
        y: ArrayLike | None = None,
        coef: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """The objective on these rows, that of the class's formula: at the fitted coefficients, or at any others.

        With one class against the rest, or several targets, the mean of their objectives; where classes are coupled, that of all.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        coef : array-like of the shape of `coef_`, default=None
            None: the fitted ones.
        intercept : array-like of the shape of `intercept_`, or float, default=None
            None: the fitted ones; 0 if the estimator is not fitted.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Arguments of other shapes, or bad data.
        NotFittedError
            No `coef`, and the estimator is not fitted.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> X, y = np.array([[1.0], [2.0]]), np.array([2.0, 3.0])
        >>> LinearRegressor(alpha=0.0, fit_intercept=False).objective(X, y, coef=[1.0])  # ((1 - 2)^2 / 2 + (2 - 3)^2 / 2) / 2
        0.5
        """
        at = self._point(X, y, coef, intercept, sample_weight)
        return float(objectives.objective(at.table, at.plan, at.W, at.b))

    def gradient(
        self,
        X: Data,
        y: ArrayLike | None = None,
        coef: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Derivatives:
        """The gradient of the objective in the coefficients and in the intercepts.

        sum_i s_i slope(x_i.w + b, y_i) x_i / sum_i s_i + alpha ((1 - l1_ratio) w + l1_ratio sign(w)) for the coefficients;
        of a coefficient at 0 under L1 the subgradient nearest to 0, and of a loss with a kink the one that a step takes.

        Parameters
        ----------
        X, y, coef, intercept, sample_weight
            As in `objective`.

        Returns
        -------
        (coef, intercept) : arrays of the shapes of `coef_` and `intercept_`
            The latter are 0 without an intercept.

        Raises
        ------
        ValueError, NotFittedError
            As `objective`.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> X, y = np.array([[1.0], [2.0]]), np.array([2.0, 3.0])
        >>> LinearRegressor(alpha=0.0).gradient(X, y, coef=[1.0], intercept=0.0)
        Derivatives(coef=array([-1.5]), intercept=array([-1.]))
        """
        at = self._point(X, y, coef, intercept, sample_weight)
        _, G, g = objectives.gradient(at.table, at.plan, at.W, at.b)
        n = objectives.objective_count(at.plan, at.b)
        return at.back(G / n, g / n)

    def hessian_product(
        self,
        X: Data,
        y: ArrayLike | None,
        direction: ArrayLike,
        coef: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        direction_intercept: ArrayLike | None = None,
    ) -> Derivatives:
        """The Hessian of the objective times a direction, in two products with X and without the Hessian itself.

        Parameters
        ----------
        X, y, coef, intercept, sample_weight
            As in `objective`.
        direction : array-like of the shape of `coef_`
        direction_intercept : array-like of the shape of `intercept_`, default=None
            None: 0.

        Returns
        -------
        (coef, intercept) : arrays of the shapes of `coef_` and `intercept_`

        Raises
        ------
        ValueError
            As `objective`; or a loss without a second derivative, such as "hinge".

        References
        ----------
        Pearlmutter (1994), Fast exact multiplication by the Hessian.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> X, y = np.array([[1.0], [2.0]]), np.array([2.0, 3.0])
        >>> LinearRegressor(alpha=0.0).hessian_product(X, y, [1.0], coef=[0.0])
        Derivatives(coef=array([2.5]), intercept=array([1.5]))
        """
        from fastsgd import curvature

        at = self._point(X, y, coef, intercept, sample_weight)
        self._check_second(at.plan)
        V = _shaped(direction, (len(at.b), len(at.W)), "direction").T
        v = _shaped(
            0.0 if direction_intercept is None else direction_intercept, at.b.shape, "direction_intercept", True
        )
        return at.back(*curvature.hessian_product(at.table, at.plan, at.W, at.b, *at.inward(V, v)))

    def hessian(
        self,
        X: Data,
        y: ArrayLike | None = None,
        coef: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """All second derivatives of the objective, of up to 4,096 coefficients and intercepts.

        Its least eigenvalue says whether the objective is convex there; its largest, L, that steps of gradient descent longer
        than 2 / L diverge; their quotient how slowly descent goes along the flattest direction.

        Parameters
        ----------
        X, y, coef, intercept, sample_weight
            As in `objective`.

        Returns
        -------
        ndarray of shape (p, p), float64
            In the order of ``coef_.ravel()`` and, with an intercept, ``intercept_.ravel()``. An L1 penalty has no part in it.

        Raises
        ------
        ValueError
            As `hessian_product`; or too many columns.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import LinearRegressor
        >>> X, y = np.array([[1.0], [2.0]]), np.array([2.0, 3.0])
        >>> H = LinearRegressor(alpha=0.0).hessian(X, y, coef=[0.0])
        >>> H
        array([[2.5, 1.5],
               [1.5, 1. ]])
        >>> largest = np.linalg.eigvalsh(H)[-1]
        >>> print(f"steps of up to {2 / largest:.2f}")
        steps of up to 0.58
        """
        from fastsgd import curvature

        at = self._point(X, y, coef, intercept, sample_weight)
        self._check_second(at.plan)
        d, K, constant = len(at.W), len(at.b), bool(at.plan.intercept_decay)
        n = K * (d + constant)
        if n > MAX_HESSIAN_NUMBERS:
            raise ValueError(
                f"the Hessian of {n} coefficients and intercepts would have {n * n} numbers; it is worked out for up to "
                f"{MAX_HESSIAN_NUMBERS}. hessian_product needs no more memory than the coefficients."
            )
        H = curvature.hessian(at.table, at.plan, at.W, at.b)
        if at.std is not None:  # w and b of standardised rows are T (w, b).
            T = np.eye(d + 1) * np.append(at.std, 1.0)
            T[d, :d] = at.mean
            H = np.einsum("ji,kjml,lo->kimo", T, H, T)
        of_coef = H[:, :d, :, :d].reshape(K * d, K * d)
        if not constant:
            return of_coef
        both = H[:, :d, :, d].reshape(K * d, K)
        return np.block([[of_coef, both], [both.T, H[:, d, :, d]]])

    # ------------------------------------------------------------ the point
    def _check_second(self, plan):
        if not (plan.loss.offers("second") or (plan.loss.coupled and plan.loss.smooth)):
            raise ValueError(
                f"loss={self.loss!r} has no second derivative that is known: its slope jumps, or is a function of your own."
            )

    def _point(self, X, y, coef, intercept, sample_weight, or_zero=False):
        """The _Point of what is given; with `or_zero` that of zero coefficients where none are given or fitted."""
        fitted = all(hasattr(self, name) for name in self._names)
        if coef is None and not or_zero:
            check_is_fitted(self)
        if not fitted:
            self._check_params()
        est = self._draft()
        if "shuffle" in vars(est):
            est.shuffle = False  # Sources then need not say how well they are shuffled.
        X, y, s = est._check_data(X, y, sample_weight, reset=not fitted)
        targets = est._targets_of(y) if fitted else est._learn(y)
        if s is not None and not s.any():
            raise ValueError("sample_weight must not be all zero: there is no objective of no rows.")
        table = est._rows_of(X, y, s, targets)
        d, K = est.n_features_in_, targets.heads
        own = (
            [np.asarray(x.toarray() if sp.issparse(x) else x, float) for x in self._weights()]
            if fitted
            else [np.zeros((K, d)), 0.0]
        )
        W = np.zeros((d, padded(K)))
        coef = _shaped(own[0] if coef is None else coef, (K, d), "coef")
        W[:, :K] = coef.T
        b = _shaped(own[1] if intercept is None else intercept, (K,), "intercept", one_for_all=True)
        at = _Point(est, table, est._plan_of_objective(table), W, b, (coef, b))
        if getattr(est, "standardize", False):
            self._in_standard_units(at, fitted)
        return at

    def _in_standard_units(self, at, fitted):
        known = fitted and hasattr(self, "scale_")
        found = (self.mean_, self.scale_) if known else moments(at.table, at.W.dtype)
        centred = at.est.fit_intercept and not at.table.sparse
        at.std, at.mean = found[1], found[0] if centred else np.zeros(len(found[0]))
        at.W, at.b = at.inward(at.W, at.b)
        at.table.scaling = Scaling(at.mean, 1.0 / at.std)


def _shaped(given, shape, name, one_for_all=False):
    """Numbers that a user gives, as float64 of that shape; `one_for_all`: a single one may stand for all."""
    try:
        if np.iscomplexobj(given):
            raise TypeError("complex numbers")
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, found {given!r}.") from error
    flat = shape[-1:] if len(shape) == 2 and shape[0] == 1 else shape
    if values.ndim == 0 and one_for_all:
        values = np.full(shape, values)
    if values.shape not in (shape, flat):
        raise ValueError(f"{name} must have the shape {flat}, found {values.shape}.")
    return values.reshape(shape)
