# Custom, a loss of the user's own. Included by losses.pyx; what needs Numba is in custom.py.
from libc.string cimport memcpy

from fastsgd import custom
from fastsgd.loss_check import LossReport, check_loss

ctypedef double (*two_fn)(double p, double y) noexcept nogil
cdef enum:
    VALUE_AT = 6, SLOPE_AT = 7  # places in par for the addresses of C functions that take no parameters


cdef double two_value(double p, double y, const double* par) noexcept nogil:
    cdef two_fn fn
    memcpy(&fn, par + VALUE_AT, sizeof(fn))
    return fn(p, y)


cdef double two_slope(double p, double y, const double* par) noexcept nogil:
    cdef two_fn fn
    memcpy(&fn, par + SLOPE_AT, sizeof(fn))
    return fn(p, y)


cdef class Custom(Loss):
    """A loss of your own: ``value(p, y, *params)`` and its derivative by p, ``slope(p, y, *params)``.

    Numba compiles both when they are first needed, and the kernels call them as they call their own. When the loss is
    made, it is tried out by `check_loss`: a slope that is not the derivative of the value is a UserWarning. Global
    variables that the functions read are constants of the compiled code; what may change belongs in `params`.

    Parameters
    ----------
    value, slope : function, numba.cfunc or scipy.LowLevelCallable
        Of floats to a float. A Python function may use floats, `math` and NumPy's functions of one number. A C function
        is ``double (double p, double y)``, or ``double (double p, double y, double* params)``.
    params : tuple of floats, default=()
        At most six. In a grid search: ``loss__params=[(1.0,), (2.0,)]``.

    Attributes
    ----------
    report : LossReport
        What `check_loss` found.
    convex, smooth : bool
        From the report: what holds at all targets tried, negative ones too if the value is finite there.

    Notes
    -----
    A classifier's targets are -1 and 1. Compiled code divides by zero as C does, and must not raise: an exception is
    printed, and the result arbitrary. It pickles if its functions do (those of a module do, lambdas do not), and is
    compiled again where it is unpickled.

    References
    ----------
    Lam, Pitrou and Seibert (2015), Numba: a LLVM-based Python JIT compiler.

    Examples
    --------
    >>> import math
    >>> loss = Custom(lambda p, y, c: c * math.log(math.cosh((p - y) / c)), lambda p, y, c: math.tanh((p - y) / c), (2.0,))
    >>> loss.convex, loss.smooth
    (True, True)
    >>> loss.slope([0.0, 1.0, 9.0], 1.0).round(3)
    array([-0.462,  0.   ,  0.999])
    """
    name, task, params = "custom", ("classifier", "regressor"), ("value", "slope", "params")
    span = np.inf

    def __init__(self, value, slope, params=()):
        numbers = custom.numbers(params)
        self._hold(value, slope, numbers, custom.try_out(value, slope, numbers, check_loss))

    def _hold(self, value, slope, params, report):
        self.given = {"value": value, "slope": slope, "params": params}
        self.report, self.convex, self.smooth = report, report.convex, report.smooth
        self.compiled = None
        for i in range(len(params)):
            self.par[i] = params[i]

    cdef int ready(self) except -1:
        cdef size_t value, slope, both
        if self.compiled is None:
            made = custom.compiled(self.given["value"], self.given["slope"], len(self.given["params"]))
            value, slope, both = made.value, made.slope, made.both
            memcpy(&self.par[VALUE_AT], &value, sizeof(value))
            memcpy(&self.par[SLOPE_AT], &slope, sizeof(slope))
            self.value_fn = <loss_fn> value if made.value_par else two_value
            self.slope_fn = <loss_fn> slope if made.slope_par else two_slope
            self.many_fn = <losses_fn> both
            self.compiled = made  # last: another thread that finds it here reads the pointers. It keeps the code alive
        return 0

    def get_params(self, deep=True):
        """The constructor's arguments.

        Parameters
        ----------
        deep : bool, default=True
            There are none within the arguments.

        Returns
        -------
        dict
        """
        return dict(self.given)

    def __eq__(self, other):
        return type(self) is type(other) and self.given == other.given

    def __hash__(self):
        return hash((type(self), self.given["params"]))  # C functions have no hash

    def __copy__(self):
        return _restore(type(self), **self.given, report=self.report)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __sklearn_clone__(self):
        return self.__copy__()

    def __reduce__(self):
        given = self.given
        return _restore, (type(self), custom.pack(given["value"]), custom.pack(given["slope"]), given["params"], self.report)


def _restore(cls, value, slope, params, report):
    """A Custom that was tried out before."""
    loss = cls.__new__(cls)
    loss._hold(custom.unpack(value), custom.unpack(slope), params, report)
    return loss
