# The schedules whose steps follow from the row itself. Included by schedules.pyx.
cdef class PA1(Schedule):
    """Passive-aggressive I: ``eta = min(eta0, loss / |x|^2)``, for hinge and epsilon-insensitive losses.

    References
    ----------
    Crammer, Dekel, Keshet, Shalev-Shwartz and Singer (2006), Online passive-aggressive algorithms.

    Examples
    --------
    >>> from fastsgd import SGDRegressor
    >>> reg = SGDRegressor("epsilon_insensitive", epsilon=0.0, learning_rate="pa1", eta0=10.0, penalty=None,
    ...                    fit_intercept=False, max_iter=1, tol=None)
    >>> print(reg.fit([[2.0]], [4.0]).coef_)  # the row is met exactly
    [2.]
    """
    name, pa = "pa1", 1

    def __init__(self):
        self.fn, self.many_fn = constant, constants


cdef class PA2(Schedule):
    """Passive-aggressive II: ``eta = loss / (|x|^2 + 1 / (2 eta0))``, for hinge and epsilon-insensitive losses.

    References
    ----------
    Crammer, Dekel, Keshet, Shalev-Shwartz and Singer (2006), Online passive-aggressive algorithms.

    Examples
    --------
    >>> from fastsgd import SGDRegressor
    >>> reg = SGDRegressor("epsilon_insensitive", epsilon=0.0, learning_rate="pa2", eta0=0.5, penalty=None,
    ...                    fit_intercept=False, max_iter=1, tol=None)
    >>> print(reg.fit([[2.0]], [4.0]).coef_)  # 2 * 4 / (4 + 1)
    [1.6]
    """
    name, pa = "pa2", 2

    def __init__(self):
        self.fn, self.many_fn = constant, constants


cdef class Auto(Schedule):
    """No step size to choose: implicit steps in coordinates scaled by the data as they come. See _kernels/auto.pxi.

    In the first pass several rules learn side by side, and the model is that of them, or the mean of some, which was best on
    rows before they were learnt from; from the second pass on no rule is judged, and on CSR one goes on, of
    which the average is the model.

    It does not depend on the scale of the columns (but for the penalty, which is on `coef_`), nor on that of y. For plain
    SGD, one row a step; `eta0`, `power_t` and `average` have no part in it.

    References
    ----------
    Toulis and Airoldi (2017), Asymptotic and finite-sample properties of estimators based on stochastic gradients. Ross,
    Mineiro and Langford (2013), Normalized online learning. Polyak and Juditsky (1992), Acceleration of stochastic
    approximation by averaging. Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and
    stochastic optimization.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((1000, 3)) * [1e-3, 1.0, 1e6] + [0.0, 5.0, 1e7]
    >>> y = X @ [1e3, 2.0, 3e-6] + 4.0
    >>> reg = SGDRegressor(learning_rate="auto", penalty=None, max_iter=1, tol=None, random_state=0).fit(X, y)
    >>> print(f"{reg.score(X, y):.2f}")
    1.00
    """
    name, auto, needs, has_eta0 = "auto", True, (), False

    def __init__(self):
        self.fn = unknown

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        self.par[0] = 1.0
