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


include "loss.pxi"


def _make(cls, params):
    return cls(**params)


cdef class Hinge(Loss):
    """max(0, 1 - y p): the linear support vector machine.

    References
    ----------
    Cortes and Vapnik (1995), Support-vector networks.

    Examples
    --------
    >>> Hinge().value(0.25, [-1, 1])
    array([1.25, 0.75])
    """
    name, task = "hinge", ("classifier",)
    solved = passive_aggressive = ("classifier",)

    def __init__(self):
        self.value_fn, self.slope_fn, self.par[0] = hinge_value, hinge_slope, 1.0
        self.implicit_fn, self.conjugate_fn, self.inlined = hinge_implicit, hinge_conjugate, HINGE
        self.constant_fn = hinge_constant

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
        self.constant_fn = hinge_constant


cdef class LogLoss(Loss):
    """log(1 + exp(p)) - y p, y in [0, 1]: logistic regression, also on soft labels.

    References
    ----------
    Cox (1958), The regression analysis of binary sequences.

    Examples
    --------
    >>> LogLoss().slope(0.0, [0, 0.5, 1])
    array([ 0.5,  0. , -0.5])
    """
    name, task, negative = "log_loss", ("classifier",), 0.0
    solved = ("classifier",)
    smooth, curvature, steepest = True, 0.25, 1.0
    log_odds = probabilities = True
    dispersion = 1.0

    def __init__(self):
        self.value_fn, self.slope_fn = log_loss_value, log_loss_slope
        self.many_fn, self.inlined = fastsgd_logistic, LOGISTIC
        self.implicit_fn, self.conjugate_fn = log_loss_implicit, log_loss_conjugate
        self.constant_fn = log_loss_constant

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
        self.constant_fn = mean_constant

    def second(self, slope, y):
        return ((slope != 0) & (abs(slope) < 4.0)) * 2.0

    def pieces(self, y):
        return [(y, 0.5, np.minimum(4 * y, 0), np.maximum(4 * y, 0))]


cdef class SquaredHinge(Loss):
    """max(0, 1 - y p)^2: the support vector machine with squared slack.

    References
    ----------
    Chang, Hsieh and Lin (2008), Coordinate descent method for large-scale L2-loss linear support vector machines.

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
        self.constant_fn = mean_constant

    def second(self, slope, y):
        return (slope != 0) * 2.0

    def pieces(self, y):
        return [(y, 0.5, np.where(y > 0, 0.0, -np.inf), np.where(y > 0, np.inf, 0.0))]


cdef class SquaredError(Loss):
    """(p - y)^2 / 2: least squares.

    References
    ----------
    Widrow and Hoff (1960), Adaptive switching circuits.

    Examples
    --------
    >>> SquaredError().value([1.0, 3.0], 1.0)
    array([0., 2.])
    """
    name, task = "squared_error", ("regressor", "classifier")
    solved = ("regressor",)
    smooth = True
    residual = quadratic = True
    dispersion = np.nan

    def __init__(self):
        self.value_fn, self.slope_fn = squared_error_value, squared_error_slope
        self.implicit_fn, self.conjugate_fn = squared_error_implicit, squared_error_conjugate
        self.constant_fn = mean_constant

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
    """The loss of that name, or the object itself.

    Parameters
    ----------
    loss : str or Loss
    epsilon : float or None, default=None
        Goes to the losses that have one, where it is given.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        There is no loss of that name.

    Examples
    --------
    >>> get("huber", epsilon=0.5)
    Huber(epsilon=0.5)
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {sorted(LOSSES)} or an object of fastsgd.losses, got {loss!r}.")
    cls = LOSSES[loss]
    return cls(epsilon=epsilon) if epsilon is not None and "epsilon" in cls.params else cls()
