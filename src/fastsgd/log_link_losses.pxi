# Losses with a log link: they may be negative, and their curvature has no bound.
cdef class Poisson(Loss):
    """exp(p) - y p, y >= 0: Poisson regression with a log link (half the deviance, up to a constant in y).

    Above p = 30 the exponential goes on as its tangent, so that no step overflows.

    References
    ----------
    Nelder and Wedderburn (1972), Generalized linear models.

    Examples
    --------
    >>> Poisson().slope([0.0, 0.0], [1.0, 3.0])
    array([ 0., -2.])
    """
    name, task, lower, greatest = "poisson", ("regressor",), 0.0, (0.0, exp(EXP_GUARD))
    solved = ("regressor",)
    smooth = True
    span, least_value = 1.0, -np.inf
    dispersion = 1.0

    def __init__(self):
        self.value_fn, self.slope_fn = poisson_value, poisson_slope
        self.implicit_fn, self.conjugate_fn = poisson_implicit, poisson_conjugate
        self.constant_fn = log_mean_constant

    def second(self, slope, y):
        return slope + y

    def constant(self, y):
        return _log_mean(y)

    def mean(self, p):
        """The predicted mean of the target: exp(p), at most exp(700) in float64.

        Parameters
        ----------
        p : array-like
            Raw predictions x.w + b.

        Returns
        -------
        ndarray
            As p.
        """
        return _guarded_exp(p)


cdef class Gamma(Loss):
    """p + y exp(-p), y > 0: gamma regression with a log link (half the deviance, up to a constant in y).

    Below p = -30 the exponential goes on as its tangent, so that no step overflows.

    References
    ----------
    Nelder and Wedderburn (1972), Generalized linear models.

    Examples
    --------
    >>> Gamma().slope([0.0, 0.0], [1.0, 3.0])
    array([ 0., -2.])
    """
    name, task, lower, strict, greatest = "gamma", ("regressor",), 0.0, True, (exp(-EXP_GUARD), np.inf)
    solved = ("regressor",)
    smooth = True
    span, least_value = 1.0, -np.inf
    dispersion = np.nan

    def __init__(self):
        self.value_fn, self.slope_fn = gamma_value, gamma_slope
        self.implicit_fn, self.conjugate_fn = gamma_implicit, gamma_conjugate
        self.constant_fn = log_mean_constant

    def second(self, slope, y):
        return 1.0 - slope

    def information(self, slope, y):
        return np.ones_like(slope)

    def constant(self, y):
        return _log_mean(y)

    def mean(self, p):
        """The predicted mean of the target: exp(p), at most exp(700) in float64.

        Parameters
        ----------
        p : array-like
            Raw predictions x.w + b.

        Returns
        -------
        ndarray
            As p.
        """
        return _guarded_exp(p)


def _guarded_exp(p):
    return np.exp(np.minimum(p, 85.0 if np.asarray(p).dtype == np.float32 else 700.0))


def _log_mean(y):
    return float(np.log(y.mean())) if y.mean() > 0 else 0.0
