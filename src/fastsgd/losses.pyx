"""Every loss: two C functions, value and slope, and the class that carries them.

Arguments are always (prediction, target); a slope is d loss / d prediction. To add a loss, write its two functions in
loss_functions.pxi and a class here: names, tests and the estimators' lists follow from the class.

Classification losses take targets -1 and +1, `LogLoss` any target in [0, 1].
"""
import numpy as np

from fastsgd.params import HasParams

__all__ = [
    "Cauchy",
    "Coupled",
    "CrammerSinger",
    "Custom",
    "EpsilonInsensitive",
    "Gamma",
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "LossReport",
    "ModifiedHuber",
    "Perceptron",
    "Poisson",
    "Quantile",
    "Sigmoid",
    "Softmax",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "TukeyBiweight",
    "Welsch",
    "check_loss",
    "get",
]

include "loss_functions.pxi"
include "implicit.pxi"

cdef extern from "logistic.h":
    void fastsgd_logistic(Py_ssize_t n, const double* p, const double* y, double* value, double* slope,
                          const double* par) noexcept nogil
    void fastsgd_softmax(Py_ssize_t n, const double* p, const double* y, double* value, double* slope,
                         const double* par) noexcept nogil


cdef class Loss:
    """Base of every loss: a scalar function of a prediction p and a target y.

    Class attributes say what a loss is for: `name`; `task`, the estimators that list it; `params`, the constructor's
    arguments; `negative`, the target of the negative class; `lower` and `strict`, the least target a regression
    takes and whether it is excluded; `convex`; `smooth`, whether the slope is continuous in the prediction; `curvature`, a
    bound of the slope's own slope (where there is none, a number of its usual size); `span`, over what distance of margins
    learning_rate="auto" measures the mean curvature, where the bound says little: 0 not at all, inf the mean ``|p - y|``;
    `residual`, whether it is one of p - y (and convex), so that a shift of y is one of the intercept; `affine`, whether the
    slope is affine in y, so that the best constant follows from the mean of y;
    `coupled`, whether it takes all the heads of a row together; `log_odds`, whether a margin is the logarithm of odds, so that y
    may hold probabilities; `probabilities`, whether the margins give any; `solved`, the tasks for which LinearClassifier and
    LinearRegressor solve it, and `solved_with_l1`, whether with an L1 penalty too; `passive_aggressive`, the tasks for which it
    has the steps of "pa1" and "pa2"; `dispersion`, that of the distribution whose negative log-likelihood the loss is: 1, nan where
    it is to be estimated, None where the loss is that of no distribution.

    Solvers ask for more: `least_value`, a number that no value is below, -inf where there is none; `steepest`, one that no slope's
    size is above, inf where none is known; `quadratic`, whether the value is a parabola in the prediction; `scarce`, whether
    few rows may have any curvature, so that a bound of it does better; `dead_zone`, the size of a residual up to which the
    loss is 0; `usual_curvature`; and the methods `second`, `pieces` and `constant`, which not all losses have (`offers`).
    Standard errors follow from `second` and `information`.
    """
    name = None
    task = ()
    params = ()
    get_params, set_params = HasParams.get_params, HasParams.set_params
    negative = -1.0
    lower, strict = -np.inf, False
    convex, smooth, curvature = True, False, 1.0
    span = 0.0
    residual = affine = False
    coupled = False
    log_odds = probabilities = False
    solved = passive_aggressive = ()
    solved_with_l1 = True
    dispersion = None
    least_value, steepest = 0.0, np.inf
    quadratic = scarce = False
    dead_zone = 0.0

    cdef int ready(self) except -1:
        if self.value_fn is NULL:
            raise TypeError(f"{type(self).__name__} has no functions; make a loss of your own by losses.Custom(value, slope).")
        return 0

    def value(self, p, y):
        """loss(p, y), elementwise: float64 array of the broadcast shape."""
        return self._map(p, y, 0)

    def slope(self, p, y):
        """d loss(p, y) / d p, elementwise: float64 array of the broadcast shape."""
        return self._map(p, y, 1)

    def implicit(self, z, s, y):
        """The a with a = -slope(z + s a, y), s >= 0, elementwise: the implicit (proximal) step from the margin z.

        Where the loss is not convex there may be several; it is one of them.

        >>> SquaredError().implicit(0.0, [0.0, 1.0, 1e9], 1.0).round(9)
        array([1.e+00, 5.e-01, 1.e-09])
        """
        self.ready()
        if np.any(~(np.asarray(s) >= 0)):
            raise ValueError(f"s must be >= 0, found {np.min(s)}.")
        return self._points(z, s, y)

    def conjugate(self, u, y):
        """sup over z of u z - value(z, y), elementwise: the convex conjugate, inf outside its domain.

        >>> Hinge().conjugate([-1.0, -0.5, 0.0, 0.5], 1.0)
        array([-1. , -0.5,  0. ,  inf])
        """
        self.ready()
        if self.conjugate_fn is NULL:
            raise ValueError(f"{type(self).__name__} has no conjugate in closed form.")
        return self._points(u, None, y)

    def both(self, p, y):
        """(value, slope) as the kernels work them out for many heads at once: two float64 arrays of p's shape."""
        cdef const double[::1] ps = np.ascontiguousarray(p, np.float64), ys = np.ascontiguousarray(y, np.float64)
        cdef double[::1] value = np.empty(ps.shape[0]), slope = np.empty(ps.shape[0])
        cdef Py_ssize_t i
        self.ready()
        if ys.shape[0] != ps.shape[0]:
            raise ValueError(f"p and y must be of one length, found {ps.shape[0]} and {ys.shape[0]}.")
        if self.many_fn is not NULL and ps.shape[0]:
            self.many_fn(ps.shape[0], &ps[0], &ys[0], &value[0], &slope[0], self.par)
        else:
            for i in range(ps.shape[0]):
                value[i], slope[i] = self.value_fn(ps[i], ys[i], self.par), self.slope_fn(ps[i], ys[i], self.par)
        return np.asarray(value), np.asarray(slope)

    def _map(self, p, y, bint slope):
        self.ready()
        p, y = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(y, np.float64))
        out = np.empty(p.shape)
        cdef const double[::1] ps = np.ascontiguousarray(p).ravel(), ys = np.ascontiguousarray(y).ravel()
        cdef double[::1] os = out.reshape(-1)
        cdef loss_fn fn = self.slope_fn if slope else self.value_fn
        cdef Py_ssize_t i
        with nogil:
            for i in range(ps.shape[0]):
                os[i] = fn(ps[i], ys[i], self.par)
        return out[()]

    def _points(self, z, s, y):
        """implicit(z, s, y); or, with s None, conjugate(z, y)."""
        cdef bint implicit = s is not None
        z, s, y = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (z, s if implicit else 0.0, y)))
        out = np.empty(z.shape)
        cdef const double[::1] zs, ss, ys
        zs, ss, ys = (np.ascontiguousarray(a).ravel() for a in (z, s, y))
        cdef double[::1] os = out.reshape(-1)
        cdef Py_ssize_t i
        with nogil:
            for i in range(zs.shape[0]):
                if implicit:
                    os[i] = implicit_step(self.implicit_fn, self.slope_fn, zs[i], ss[i], ys[i], self.par)
                else:
                    os[i] = self.conjugate_fn(zs[i], ys[i], self.par)
        return out[()]

    def mean(self, p):
        """The predicted mean of the target at the raw prediction p; p itself but for a log link."""
        return p

    def offers(self, name):
        """Whether the loss has a method of its own of that name: "mean", "second", "pieces" or "constant"."""
        return getattr(type(self), name) is not getattr(Loss, name)

    @property
    def usual_curvature(self):
        """The slope's own slope, about."""
        return self.curvature

    def second(self, slope, y):
        """The slope's own slope where it is `slope`, elementwise: known without another exponential."""
        raise NotImplementedError(f"{type(self).__name__} has no curvature that follows from its slope.")

    def information(self, slope, y):
        """What is expected of `second` where y is of the loss's distribution, elementwise."""
        return self.second(slope, y)

    def pieces(self, y):
        """The loss as a sum of max over low <= a <= high of a (t - p) - bend a^2 / 2: a list of (t, bend, low, high)."""
        raise NotImplementedError(f"{type(self).__name__} is not made of lines and parabolas.")

    def constant(self, y):
        """The best prediction that is the same for all these targets, or near it."""
        raise NotImplementedError(f"{type(self).__name__} has no constant that would be better than 0.")

    def _number(self, int slot, name, value, low, high, low_ok=False):
        """Keep a constructor argument and put it where the C functions read it."""
        HasParams._number(self, name, value, low, high, low_ok)
        self.par[slot] = value

    def __repr__(self):
        return HasParams.__repr__(self)

    def __eq__(self, other):
        return HasParams.__eq__(self, other)

    def __hash__(self):
        return HasParams.__hash__(self)

    def __reduce__(self):
        return _make, (type(self), self.get_params())

    def __getstate__(self):  # skops asks for these, and not for __reduce__
        return self.get_params()

    def __setstate__(self, params):
        self.__init__(**params)


def _make(cls, params):
    return cls(**params)


cdef class Hinge(Loss):
    """max(0, 1 - y p): the linear support vector machine.

    >>> Hinge().value(0.25, [-1, 1])
    array([1.25, 0.75])
    """
    name, task = "hinge", ("classifier",)
    solved = passive_aggressive = ("classifier",)

    def __init__(self):
        self.value_fn, self.slope_fn, self.par[0] = hinge_value, hinge_slope, 1.0
        self.implicit_fn, self.conjugate_fn, self.inlined = hinge_implicit, hinge_conjugate, HINGE

    def pieces(self, y):
        return [(y, 0.0, np.minimum(y, 0), np.maximum(y, 0))]


cdef class Perceptron(Loss):
    """max(0, -y p): the perceptron.

    References
    ----------
    Rosenblatt (1958), The perceptron: a probabilistic model for information storage and organization in the brain.

    Examples
    --------
    >>> Perceptron().value([-2.0, 3.0], 1.0)
    array([2., 0.])
    """
    name, task = "perceptron", ("classifier",)

    def __init__(self):
        self.value_fn, self.slope_fn, self.par[0] = hinge_value, hinge_slope, 0.0
        self.implicit_fn, self.conjugate_fn, self.inlined = hinge_implicit, hinge_conjugate, HINGE


cdef class LogLoss(Loss):
    """log(1 + exp(p)) - y p, y in [0, 1]: logistic regression, also on soft labels.

    >>> LogLoss().slope(0.0, [0, 0.5, 1])
    array([ 0.5,  0. , -0.5])
    """
    name, task, negative = "log_loss", ("classifier",), 0.0
    solved = ("classifier",)
    smooth, curvature, steepest = True, 0.25, 1.0
    affine = log_odds = probabilities = True
    dispersion = 1.0

    def __init__(self):
        self.value_fn, self.slope_fn = log_loss_value, log_loss_slope
        self.many_fn, self.inlined = fastsgd_logistic, LOGISTIC
        self.implicit_fn, self.conjugate_fn = log_loss_implicit, log_loss_conjugate
        self.near_fn = log_loss_near

    @property
    def usual_curvature(self):
        return 0.5 * self.curvature

    def second(self, slope, y):
        return (slope + y) * (1.0 - slope - y)


cdef class ModifiedHuber(Loss):
    """max(0, 1 - y p)^2 where y p >= -1, else -4 y p: smooth, with probabilities.

    References
    ----------
    Zhang (2004), Solving large scale linear prediction problems using stochastic gradient descent algorithms.

    Examples
    --------
    >>> ModifiedHuber().value([-2.0, 0.0, 2.0], 1.0)
    array([8., 1., 0.])
    """
    name, task = "modified_huber", ("classifier",)
    solved = ("classifier",)
    smooth, curvature = True, 2.0
    probabilities = True

    def __init__(self):
        self.value_fn, self.slope_fn = modified_huber_value, modified_huber_slope
        self.implicit_fn, self.conjugate_fn = modified_huber_implicit, modified_huber_conjugate

    def second(self, slope, y):
        return ((slope != 0) & (abs(slope) < 4.0)) * 2.0

    def pieces(self, y):
        return [(y, 0.5, np.minimum(4 * y, 0), np.maximum(4 * y, 0))]


cdef class SquaredHinge(Loss):
    """max(0, 1 - y p)^2: the support vector machine with squared slack.

    Examples
    --------
    >>> SquaredHinge().value([-1.0, 2.0], 1.0)
    array([4., 0.])
    """
    name, task = "squared_hinge", ("classifier",)
    solved = ("classifier",)
    smooth, curvature = True, 2.0

    def __init__(self):
        self.value_fn, self.slope_fn = squared_hinge_value, squared_hinge_slope
        self.implicit_fn, self.conjugate_fn = squared_hinge_implicit, squared_hinge_conjugate

    def second(self, slope, y):
        return (slope != 0) * 2.0

    def pieces(self, y):
        return [(y, 0.5, np.where(y > 0, 0.0, -np.inf), np.where(y > 0, np.inf, 0.0))]


cdef class SquaredError(Loss):
    """(p - y)^2 / 2: least squares.

    Examples
    --------
    >>> SquaredError().value([1.0, 3.0], 1.0)
    array([0., 2.])
    """
    name, task = "squared_error", ("regressor", "classifier")
    solved = ("regressor",)
    smooth = True
    residual = affine = quadratic = True
    dispersion = np.nan

    def __init__(self):
        self.value_fn, self.slope_fn = squared_error_value, squared_error_slope
        self.implicit_fn, self.conjugate_fn = squared_error_implicit, squared_error_conjugate

    def second(self, slope, y):
        return np.ones_like(slope)

    def pieces(self, y):
        return [(y, 1.0, -np.inf, np.inf)]

    def constant(self, y):
        return float(y.mean())


include "residual_losses.pxi"
include "log_link_losses.pxi"
include "nonconvex_losses.pxi"
include "custom_loss.pxi"
include "coupled_losses.pxi"

LOSSES = {cls.name: cls for cls in Loss.__subclasses__() if cls not in (Custom, Coupled)}
MULTICLASS = {cls.name: cls for cls in Coupled.__subclasses__()}


def get(loss, epsilon=None):
    """The loss of that name, or the object itself; `epsilon` goes to the losses that have one.

    >>> get("huber", epsilon=0.5)
    Huber(epsilon=0.5)
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {sorted(LOSSES)} or an object of fastsgd.losses, got {loss!r}.")
    cls = LOSSES[loss]
    return cls(epsilon=epsilon) if epsilon is not None and "epsilon" in cls.params else cls()
