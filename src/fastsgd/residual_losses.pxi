# Losses of the residual p - y, convex, other than least squares.
cdef class Huber(Loss):
    """``(p - y)^2 / 2`` where ``|p - y| <= epsilon``, else ``epsilon (|p - y| - epsilon / 2)``.

    Parameters
    ----------
    epsilon : float >= 0, default=0.1
        Up to this residual the loss is a parabola, in units of y.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter.

    Examples
    --------
    >>> Huber(epsilon=1.0).value([0.5, 3.0], 0.0)
    array([0.125, 2.5  ])
    """
    name, task, params = "huber", ("regressor", "classifier"), ("epsilon",)
    solved = ("regressor",)
    smooth = True
    span = np.inf
    residual = scarce = True

    def __init__(self, epsilon=0.1):
        self.value_fn, self.slope_fn = huber_value, huber_slope
        self.implicit_fn, self.conjugate_fn = huber_implicit, huber_conjugate
        self._number(0, "epsilon", epsilon, 0, np.inf, True)

    def second(self, slope, y):
        return (abs(slope) < self.epsilon) * 1.0

    def pieces(self, y):
        return [(y, 1.0, -self.epsilon, self.epsilon)]

    def constant(self, y):
        return float(np.quantile(y, 0.5))


cdef class EpsilonInsensitive(Loss):
    """``max(0, |p - y| - epsilon)``: support vector regression.

    Parameters
    ----------
    epsilon : float >= 0, default=0.1
        Residuals up to this cost nothing, in units of y.

    References
    ----------
    Drucker, Burges, Kaufman, Smola and Vapnik (1997), Support vector regression machines.

    Examples
    --------
    >>> EpsilonInsensitive(epsilon=0.5).value([1.25, 3.0], 1.0)
    array([0. , 1.5])
    """
    name, task, params = "epsilon_insensitive", ("regressor", "classifier"), ("epsilon",)
    solved = passive_aggressive = ("regressor",)
    span = np.inf
    residual = True

    def __init__(self, epsilon=0.1):
        self.value_fn, self.slope_fn = epsilon_insensitive_value, epsilon_insensitive_slope
        self.implicit_fn, self.conjugate_fn = epsilon_insensitive_implicit, epsilon_insensitive_conjugate
        self._number(0, "epsilon", epsilon, 0, np.inf, True)

    @property
    def dead_zone(self):
        return self.epsilon

    def pieces(self, y):
        return [(y - self.epsilon, 0.0, 0.0, 1.0), (y + self.epsilon, 0.0, -1.0, 0.0)]

    def constant(self, y):
        return float(np.quantile(y, 0.5))


cdef class SquaredEpsilonInsensitive(Loss):
    """``max(0, |p - y| - epsilon)^2``: support vector regression with squared slack.

    Parameters
    ----------
    epsilon : float >= 0, default=0.1
        Residuals up to this cost nothing, in units of y.

    References
    ----------
    Ho and Lin (2012), Large-scale linear support vector regression.

    Examples
    --------
    >>> SquaredEpsilonInsensitive(epsilon=0.5).value([1.25, 3.0], 1.0)
    array([0.  , 2.25])
    """
    name, task, params = "squared_epsilon_insensitive", ("regressor", "classifier"), ("epsilon",)
    solved = ("regressor",)
    smooth, curvature = True, 2.0
    span = np.inf
    residual = True

    def __init__(self, epsilon=0.1):
        self.value_fn, self.slope_fn = squared_epsilon_insensitive_value, squared_epsilon_insensitive_slope
        self.implicit_fn, self.conjugate_fn = squared_epsilon_insensitive_implicit, squared_epsilon_insensitive_conjugate
        self._number(0, "epsilon", epsilon, 0, np.inf, True)

    @property
    def dead_zone(self):
        return self.epsilon

    def second(self, slope, y):
        return (slope != 0) * 2.0

    def pieces(self, y):
        return [(y - self.epsilon, 0.5, 0.0, np.inf), (y + self.epsilon, 0.5, -np.inf, 0.0)]

    def constant(self, y):
        return float(np.quantile(y, 0.5))


cdef class Quantile(Loss):
    """The pinball loss: quantile (y - p) where y > p, else (1 - quantile) (p - y).

    Its minimiser is the conditional quantile.

    Parameters
    ----------
    quantile : float in (0, 1), default=0.5
        Which quantile is predicted; 0.5, the median, is least absolute deviation.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles.

    Examples
    --------
    >>> Quantile(quantile=0.9).value([0.0, 2.0], 1.0)
    array([0.9, 0.1])
    """
    name, task, params = "quantile", ("regressor",), ("quantile",)
    solved = ("regressor",)
    span = np.inf
    residual = True

    def __init__(self, quantile=0.5):
        self.value_fn, self.slope_fn = quantile_value, quantile_slope
        self.implicit_fn, self.conjugate_fn = quantile_implicit, quantile_conjugate
        self._number(0, "quantile", quantile, 0, 1)

    def pieces(self, y):
        return [(y, 0.0, self.quantile - 1.0, self.quantile)]

    def constant(self, y):
        return float(np.quantile(y, self.quantile))
