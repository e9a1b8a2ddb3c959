"""Every schedule: one C function, the step size eta from the step number t, and the class that carries it.

A step is one batch, by default one row (t = 1, 2, ...). `bind` returns a copy that knows the numbers of one fit: eta0,
alpha, power_t, the loss, the rows of a pass and of a step, and the number of passes. To add a schedule, write its
function in schedule_functions.pxi and a class here. `Custom`, of a Python function, has a table in place of the C function.
"""
import numpy as np

from fastsgd.params import HasParams

__all__ = [
    "PA1",
    "PA2",
    "Adaptive",
    "Auto",
    "Constant",
    "Cosine",
    "Custom",
    "Exponential",
    "InvScaling",
    "OneCycle",
    "Optimal",
    "Schedule",
    "Step",
    "get",
]

include "schedule_functions.pxi"


cdef class Schedule:
    """Base of every schedule.

    Class attributes: `name`; `params`, the constructor's arguments; `pa`, 1 or 2 where the step comes from the row
    itself (passive-aggressive); `feedback`, true where a plateau divides the step by 5; `auto`, where each weight has a step
    of its own; `needs`, what `bind` must be given; `has_eta0`, whether that is the size of its steps; `tabled`, where step
    sizes are worked out before each kernel call, by `sizes`.

    Examples
    --------
    >>> schedule = get("invscaling")
    >>> isinstance(schedule, Schedule), schedule.needs
    (True, ('eta0', 'power_t'))
    """
    name = None
    params = ()
    get_params, set_params = HasParams.get_params, HasParams.set_params
    pa = 0
    feedback = False
    auto = False
    needs = ("eta0",)
    has_eta0 = True
    tabled = False

    cdef int ready(self) except -1:
        if self.fn is NULL:
            raise TypeError(f"{type(self).__name__} has no function; use one of {sorted(SCHEDULES)}, by name or as an object.")
        if not self.bound:
            raise ValueError(
                f"{self!r} does not know the numbers of a fit: call bind({', '.join(f'{name}=...' for name in self.needs)}), which "
                "returns a copy that does."
            )
        return 0

    def bind(self, *, eta0=None, alpha=None, power_t=None, loss=None, pass_rows=None, passes=None, batch_size=1):
        """A copy that holds the numbers of one fit.

        Parameters
        ----------
        eta0, alpha, power_t : float, default=None
            The estimator's. What the class names in `needs` must be given, and no more.
        loss : Loss, default=None
            Used by `Optimal` for the size of a typical slope.
        pass_rows : int or None, default=None
            Rows in one pass; None in `partial_fit`, where it is not known.
        passes : int, default=None
            Passes in all, for the schedules that end.
        batch_size : int or inf, default=1
            Rows of a step.

        Returns
        -------
        Schedule

        Raises
        ------
        ValueError
            Something that it needs is missing.

        Examples
        --------
        >>> print(InvScaling().bind(eta0=1.0, power_t=0.5)(4))
        0.5
        """
        given = {"eta0": eta0, "alpha": alpha, "power_t": power_t, "loss": loss, "passes": passes}
        missing = [name for name in self.needs if given.get(name, 0) is None and getattr(self, name, None) is None]
        if missing:
            raise ValueError(f"{self!r} needs {_listed(missing)}: call bind({', '.join(f'{name}=...' for name in self.needs)}).")
        cdef Schedule bound = type(self).__new__(type(self))
        for name in self.params:
            setattr(bound, name, getattr(self, name))
        bound.fn, bound.many_fn, bound.bound, bound.batch_size = self.fn, self.many_fn, True, batch_size
        bound.ready()
        bound._set(eta0, alpha, power_t, loss, pass_rows, passes)
        return bound

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        self.par[0] = eta0

    def _pass_steps(self, pass_rows):
        rows = self.pass_rows if self.pass_rows is not None else pass_rows
        if rows is None:
            raise ValueError(
                f"learning_rate={self.name!r} counts in passes, and partial_fit can't know the rows of a pass: give "
                f"learning_rate=fastsgd.schedules.{type(self).__name__}(pass_rows=...)."
            )
        return float(max(1.0, np.ceil(rows / self.batch_size)))

    def __call__(self, t):
        """The step size at step t (array of any shape, counted from 1), of a bound schedule; of another a ValueError."""
        cdef Py_ssize_t i
        self.ready()
        t = np.asarray(t, np.float64)
        cdef const double[::1] ts = np.ascontiguousarray(t).ravel()
        out = np.empty(t.shape)
        cdef double[::1] os = out.reshape(-1)
        for i in range(ts.shape[0]):
            os[i] = self.fn(ts[i], self.par)
        return out[()]

    def __repr__(self):
        return HasParams.__repr__(self)

    @property
    def numbers(self):
        """Those of a bound schedule: (6,) float64."""
        self.ready()
        return np.array([self.par[i] for i in range(6)])

    def differs_in_numbers(self, Schedule other):
        """Whether one of these two bound schedules becomes the other by other numbers.

        Parameters
        ----------
        other : Schedule

        Returns
        -------
        bool
        """
        return type(self) is type(other) and self.get_params() == other.get_params() and self.fn == other.fn

    def __eq__(self, other):
        """Whether the constructor's arguments are the same, and, where both are bound, the numbers of the fit."""
        if type(self) is not type(other) or self.get_params() != other.get_params():
            return False
        return not (self.bound and (<Schedule> other).bound) or bool((self.numbers == other.numbers).all())

    def __hash__(self):
        return HasParams.__hash__(self)

    def __reduce__(self):
        if not self.bound:
            return _make, (type(self), self.get_params())
        return _make_bound, (type(self), self.get_params(), self.numbers.tolist(), self.batch_size)

    def _choose(self):
        """Take the functions that the numbers ask for."""

    def __getstate__(self):  # skops asks for these, and not for __reduce__
        return self.get_params()

    def __setstate__(self, params):
        self.__init__(**params)


def _make(cls, params):
    return cls(**params)


def _make_bound(cls, params, numbers, batch_size):
    cdef Schedule schedule = cls(**params)
    for i in range(6):
        schedule.par[i] = numbers[i]
    schedule.bound, schedule.batch_size = True, batch_size
    schedule._choose()
    return schedule


def _listed(names):
    """Names in words."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _within(schedule, name, value, low, high):
    if not low <= value <= high:
        raise ValueError(f"{type(schedule).__name__}: {name} must be in [{low}, {high}], got {value!r}.")
    return value


def _rows(schedule, pass_rows):
    if pass_rows is not None and not pass_rows >= 1:
        raise ValueError(f"{type(schedule).__name__}: pass_rows must be at least 1 or None, got {pass_rows!r}.")
    return pass_rows


def _passes(schedule, passes):
    if passes is not None and not 0 < passes < np.inf:
        raise ValueError(f"{type(schedule).__name__}: passes must be above 0 or None, got {passes!r}.")
    return passes


cdef class Constant(Schedule):
    """eta = eta0: the same step size in each step.

    References
    ----------
    Nemirovski, Juditsky, Lan and Shapiro (2009), Robust stochastic approximation approach to stochastic programming.

    Examples
    --------
    >>> schedule = Constant().bind(eta0=0.1, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 1000]).round(3)
    array([0.1, 0.1])
    """
    name = "constant"

    def __init__(self):
        self.fn, self.many_fn = constant, constants


cdef class Optimal(Schedule):
    """eta = 1 / (alpha (t0 + t - 1)), t0 by Bottou's heuristic.

    t0 makes the first step typw / max(1, slope(-typw, 1)), typw = sqrt(1 / sqrt(alpha)), the size of a typical weight
    (Bottou 2012). It needs alpha > 0, and eta0 has no part in it.

    References
    ----------
    Bottou (2012), Stochastic gradient descent tricks.

    Examples
    --------
    >>> from fastsgd.losses import Hinge
    >>> schedule = Optimal().bind(eta0=0.1, alpha=0.01, power_t=0.5, loss=Hinge(), pass_rows=100, passes=3)
    >>> schedule([1, 101]).round(3)
    array([3.162, 0.76 ])
    """
    name, needs, has_eta0 = "optimal", ("alpha", "loss"), False

    def __init__(self):
        self.fn, self.many_fn = optimal, optimals

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        typw = np.sqrt(1.0 / np.sqrt(alpha))
        first = typw / max(1.0, float(loss.slope(-typw, 1.0)))
        self.par[0], self.par[1] = alpha, 1.0 / (first * alpha)


cdef class InvScaling(Schedule):
    """eta = eta0 / t^power_t, where t is the number of the step.

    References
    ----------
    Robbins and Monro (1951), A stochastic approximation method.

    Examples
    --------
    >>> schedule = InvScaling().bind(eta0=1.0, alpha=1e-4, power_t=0.5, loss=None, pass_rows=100, passes=3)
    >>> schedule([1, 4, 100]).round(3)
    array([1. , 0.5, 0.1])
    """
    name, needs = "invscaling", ("eta0", "power_t")

    def __init__(self):
        self.fn = inverse_power

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        self.par[0], self.par[1] = eta0, power_t
        self._choose()

    def _choose(self):
        """A root in place of a power, where it is one."""
        self.fn = inverse_root if self.par[1] == 0.5 else inverse_fourth_root if self.par[1] == 0.25 else inverse_power
        self.many_fn = NULL
        if self.par[1] == 0.5:
            self.many_fn = inverse_roots


cdef class Adaptive(Schedule):
    """eta = eta0, divided by 5 each time the stopping rule would have stopped, until it is below 1e-6.

    References
    ----------
    Pedregosa et al. (2011), Scikit-learn: machine learning in Python. It is the rule of its `SGDClassifier`.

    Examples
    --------
    >>> from fastsgd import SGDRegressor
    >>> reg = SGDRegressor(learning_rate="adaptive", eta0=0.5, penalty=None).fit([[1.0], [-1.0]], [1.0, -1.0])
    >>> print(reg.coef_.round(3))
    [1.]
    """
    name, feedback = "adaptive", True

    def __init__(self):
        self.fn, self.many_fn = constant, constants


include "pass_schedules.pxi"
include "row_schedules.pxi"
include "custom_schedule.pxi"


SCHEDULES = {cls.name: cls for cls in Schedule.__subclasses__() if cls is not Custom}


def get(schedule):
    """The schedule of that name, the object itself, or that of a function.

    Parameters
    ----------
    schedule : str, Schedule or callable

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        It is none of these.

    Examples
    --------
    >>> get("cosine")
    Cosine(warmup=0.05, eta_min=0.0, passes=None, pass_rows=None)
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, type) and issubclass(schedule, Schedule):
        raise ValueError(f"learning_rate must be an object and not a class: give {schedule.__name__}(), with its parentheses.")
    if callable(schedule):
        return Custom(schedule)
    if schedule not in SCHEDULES:
        raise ValueError(
            f"learning_rate must be one of {sorted(SCHEDULES)}, an object of fastsgd.schedules or a function of the step number, "
            f"got {schedule!r}."
        )
    return SCHEDULES[schedule]()
