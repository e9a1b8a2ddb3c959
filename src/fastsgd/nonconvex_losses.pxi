# The losses that are not convex. Included by losses.pyx.
cdef class TukeyBiweight(Loss):
    """``c^2 / 6 (1 - (1 - (r / c)^2)^3)`` where ``|r| = |p - y| <= c``, else ``c^2 / 6``: rows far off have no pull at all.

    Not convex: start from a model that is roughly right (`coef_init`), such as one of `Huber`. r is in units of y; c is
    4.685 times its scale for 95% efficiency on normal errors, so divide y by the scale of its noise, or set c.

    Parameters
    ----------
    c : float > 0, default=4.685
        The size of a residual beyond which rows lose their pull, in units of y.

    References
    ----------
    Beaton and Tukey (1974), The fitting of power series, meaning polynomials, illustrated on band-spectroscopic data.

    Examples
    --------
    >>> TukeyBiweight(c=2.0).slope([1.0, 5.0], 0.0)
    array([0.5625, 0.    ])
    """
    name, task, params = "tukey", ("regressor",), ("c",)
    convex, smooth = False, True
    span = np.inf

    def __init__(self, c=4.685):
        self.value_fn, self.slope_fn = tukey_value, tukey_slope
        self._number(0, "c", c, 0, np.inf)


cdef class Cauchy(Loss):
    """c^2 / 2 log(1 + (r / c)^2), r = p - y: the likelihood of Cauchy errors; the pull of a row falls as 1 / r.

    Not convex; c is in units of y, as in `TukeyBiweight`.

    Parameters
    ----------
    c : float > 0, default=2.385
        The size of a residual beyond which rows lose their pull, in units of y.

    References
    ----------
    Holland and Welsch (1977), Robust regression using iteratively reweighted least-squares.

    Examples
    --------
    >>> Cauchy(c=2.0).slope([1.0, 4.0], 0.0)
    array([0.8, 0.8])
    """
    name, task, params = "cauchy", ("regressor",), ("c",)
    convex, smooth = False, True
    span = np.inf

    def __init__(self, c=2.385):
        self.value_fn, self.slope_fn = cauchy_value, cauchy_slope
        self._number(0, "c", c, 0, np.inf)


cdef class Welsch(Loss):
    """c^2 / 2 (1 - exp(-(r / c)^2)), r = p - y: as Tukey's, but the pull of a row never ends altogether.

    Not convex; c is in units of y, as in `TukeyBiweight`.

    Parameters
    ----------
    c : float > 0, default=2.985
        The size of a residual beyond which rows lose their pull, in units of y.

    References
    ----------
    Dennis and Welsch (1978), Techniques for nonlinear least squares and robust regression.

    Examples
    --------
    >>> Welsch(c=2.0).value([0.0, 100.0], 0.0)
    array([0., 2.])
    """
    name, task, params = "welsch", ("regressor",), ("c",)
    convex, smooth = False, True
    span = np.inf

    def __init__(self, c=2.985):
        self.value_fn, self.slope_fn = welsch_value, welsch_slope
        self._number(0, "c", c, 0, np.inf)


cdef class Sigmoid(Loss):
    """1 / (1 + exp(y p)): the number of errors, smoothed; wrong labels weigh little, however wrong. Not convex.

    References
    ----------
    Nguyen and Sanner (2013), Algorithms for direct 0-1 loss optimization in binary classification.

    Examples
    --------
    >>> Sigmoid().value([-9.0, 0.0, 9.0], 1.0).round(3)
    array([1. , 0.5, 0. ])
    """
    name, task = "sigmoid", ("classifier",)
    convex, smooth, curvature = False, True, 0.0962

    def __init__(self):
        self.value_fn, self.slope_fn = sigmoid_value, sigmoid_slope
