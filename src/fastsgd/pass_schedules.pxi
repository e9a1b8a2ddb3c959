# The schedules that count in passes. Included by schedules.pyx.
cdef class Exponential(Schedule):
    """eta = eta0 decay^((t - 1) / (steps of a pass)): falls by the factor `decay` in each pass.

    Parameters
    ----------
    decay : float in (0, 1], default=0.9
        The factor of a pass.
    pass_rows : int or None, default=None
        Rows in one pass; None takes the rows given to `fit`.

    References
    ----------
    Li and Arora (2020), An exponential learning rate schedule for deep learning.

    Examples
    --------
    >>> schedule = Exponential(decay=0.5).bind(eta0=1.0, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 101, 201]).round(3)
    array([1.  , 0.5 , 0.25])
    """
    name, params, needs = "exponential", ("decay", "pass_rows"), ("eta0", "pass_rows")

    def __init__(self, decay=0.9, pass_rows=None):
        self.fn = exponential
        self.decay, self.pass_rows = _within(self, "decay", decay, 1e-300, 1), _rows(self, pass_rows)

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        self.par[0], self.par[1] = eta0, np.log(self.decay) / self._pass_steps(pass_rows)


cdef class Step(Schedule):
    """eta = eta0 factor^floor(passes done / every).

    Parameters
    ----------
    factor : float in (0, 1], default=0.1
        By which a drop multiplies eta.
    every : float, default=10
        Passes between two drops.
    pass_rows : int or None, default=None
        Rows in one pass; None takes the rows given to `fit`.

    References
    ----------
    Ge, Kakade, Kidambi and Netrapalli (2019), The step decay schedule: a near optimal, geometrically decaying learning rate
    procedure for least squares.

    Examples
    --------
    >>> schedule = Step(factor=0.1, every=2).bind(eta0=1.0, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 101, 201]).round(3)
    array([1. , 1. , 0.1])
    """
    name, params, needs = "step", ("factor", "every", "pass_rows"), ("eta0", "pass_rows")

    def __init__(self, factor=0.1, every=10, pass_rows=None):
        self.fn = step
        self.factor, self.every = _within(self, "factor", factor, 1e-300, 1), _within(self, "every", every, 1e-9, np.inf)
        self.pass_rows = _rows(self, pass_rows)

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        self.par[0], self.par[1], self.par[2] = eta0, self.factor, self.every * self._pass_steps(pass_rows)


cdef class Cosine(Schedule):
    """Linear warm-up to eta0, then half a cosine down to eta_min, without restarts.

    Parameters
    ----------
    warmup : float in [0, 1), default=0.05
        Share of all steps in which eta rises.
    eta_min : float >= 0, default=0.0
        The step size at the end.
    passes : float or None, default=None
        Passes until eta_min is reached; None takes `max_iter`.
    pass_rows : int or None, default=None
        Rows in one pass; None takes the rows given to `fit`.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts.

    Examples
    --------
    >>> schedule = Cosine(warmup=0.0).bind(eta0=1.0, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 151, 301]).round(3)
    array([1. , 0.5, 0. ])
    """
    name, params = "cosine", ("warmup", "eta_min", "passes", "pass_rows")
    needs = "eta0", "pass_rows", "passes"

    def __init__(self, warmup=0.05, eta_min=0.0, passes=None, pass_rows=None):
        self.fn = cosine
        self.warmup, self.eta_min = _within(self, "warmup", warmup, 0, 0.999), _within(self, "eta_min", eta_min, 0, np.inf)
        self.passes, self.pass_rows = _passes(self, passes), _rows(self, pass_rows)

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        steps = self._pass_steps(pass_rows) * (passes if self.passes is None else self.passes)
        self.par[0], self.par[1], self.par[2], self.par[3] = eta0, self.eta_min, self.warmup * steps, steps


cdef class OneCycle(Schedule):
    """One cycle: half a cosine from eta0 / div up to eta0, then down to eta0 / (div * final_div).

    Parameters
    ----------
    rise : float in (0, 1), default=0.3
        Share of all steps in which eta rises.
    div : float >= 1, default=25.0
        The first step size is eta0 / div.
    final_div : float >= 1, default=1e4
        The last one is eta0 / (div * final_div).
    passes : float or None, default=None
        Passes in the cycle; None takes `max_iter`.
    pass_rows : int or None, default=None
        Rows in one pass; None takes the rows given to `fit`.

    References
    ----------
    Smith (2018), A disciplined approach to neural network hyper-parameters, part 1.

    Examples
    --------
    >>> schedule = OneCycle(rise=0.5).bind(eta0=1.0, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 151]).round(3)
    array([0.04, 1.  ])
    """
    name, params = "one_cycle", ("rise", "div", "final_div", "passes", "pass_rows")
    needs = "eta0", "pass_rows", "passes"

    def __init__(self, rise=0.3, div=25.0, final_div=1e4, passes=None, pass_rows=None):
        self.fn = one_cycle
        self.rise, self.div = _within(self, "rise", rise, 1e-9, 0.999), _within(self, "div", div, 1, np.inf)
        self.final_div, self.passes = _within(self, "final_div", final_div, 1, np.inf), _passes(self, passes)
        self.pass_rows = _rows(self, pass_rows)

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        steps = self._pass_steps(pass_rows) * (passes if self.passes is None else self.passes)
        self.par[0], self.par[1], self.par[2] = eta0, eta0 / self.div, eta0 / self.div / self.final_div
        self.par[3], self.par[4] = self.rise * steps, steps
