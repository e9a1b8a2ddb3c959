"""A user's own loss: its functions are looked at, tried out, and compiled to C by Numba.

This is the only module that imports Numba, and only inside functions: users without a loss of their own never load it.
"""

import ctypes
import inspect
import sys
import warnings
from collections import namedtuple
from functools import lru_cache
from numbers import Real
from threading import Lock
from types import FunctionType

from scipy import LowLevelCallable

MAX_PARAMS = 6  # `params` holds at most this many numbers; the kernels have room for two more, see custom_loss.pxi.
NAMES = "abcdef"
FORMS = {"double(double,double)": False, "double(double,double,double*)": True, "double(double,double,void*)": True}

# Addresses of C functions double (p, y) or, where the flag says so, double (p, y, const double* par); `both` is the address
# of a function for many predictions at once, or 0. `keep` holds the objects that must live as long as the functions are called.
Compiled = namedtuple("Compiled", "value value_par slope slope_par both keep")

# Numba makes C functions of these: the user's two, with the numbers of `params` read from memory. In `both` the loads come
# first and the stores last; otherwise what value and slope have in common would be computed twice.
ENTRIES = """
def value_entry(p, y, par):
    return value(p, y{numbers})


def slope_entry(p, y, par):
    return slope(p, y{numbers})


def both_entry(n, ps, ys, values, slopes, par):
    for i in range(n):
        p, y = ps[i], ys[i]
        v, s = value(p, y{numbers}), slope(p, y{numbers})
        values[i], slopes[i] = v, s
"""


# ---------------------------------------------------------------- what the user gives
def numbers(params):
    """`params` as a tuple of floats.

    Raises
    ------
    ValueError
        Not a sequence of at most six real numbers.
    """
    try:
        given = tuple(params)
    except TypeError:
        given = (None,)
    if not all(isinstance(v, Real) and v == v for v in given):
        raise ValueError(f"params must be a tuple of numbers, such as (1.0,), got {params!r}.")
    if len(given) > MAX_PARAMS:
        raise ValueError(f"params must hold at most {MAX_PARAMS} numbers, got {len(given)}.")
    return tuple(float(v) for v in given)


def _is_cfunc(f):
    ccallback = sys.modules.get("numba.core.ccallback")  # where there is a cfunc, Numba has been imported
    return ccallback is not None and isinstance(f, ccallback.CFunc)


def _in_c(name, f):
    """(address, whether it takes the numbers) of what is compiled already; None of a Python function."""
    if isinstance(f, LowLevelCallable):
        form, address = f.signature, _address(tuple.__getitem__(f, 0))
        if f.user_data is not None:
            raise ValueError(f"{name}: a LowLevelCallable with user_data can't be used; give numbers by params.")
    elif _is_cfunc(f):
        arguments = ", ".join(str(a).replace("float64", "double") for a in f._sig.args)
        form, address = f"{f._sig.return_type} ({arguments})".replace("float64", "double"), f.address
    else:
        return None
    takes_par = FORMS.get(form.replace("const", "").replace(" ", ""))
    if takes_par is None:
        raise ValueError(
            f"{name} must have the signature 'double (double, double)' or 'double (double, double, double *)', "
            f"found {form!r}."
        )
    return address, takes_par


def _address(capsule):
    api = ctypes.pythonapi
    name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))(capsule)
    return ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api))(
        capsule, name
    )


def _plain(name, f, params):
    """f as a Python function of (p, y), whatever it is.

    Raises
    ------
    ValueError
        It can't be called with (p, y, *params).
    """
    n, double = len(params), ctypes.c_double
    compiled = _in_c(name, f)
    if compiled is not None:
        address, takes_par = compiled
        if n and not takes_par:
            raise ValueError(f"{name} must take a third argument, a pointer to double, for params of length {n}.")
        if not takes_par:
            return ctypes.CFUNCTYPE(double, double, double)(address)
        call, par = (
            ctypes.CFUNCTYPE(double, double, double, ctypes.c_void_p)(address),
            (double * (MAX_PARAMS + 2))(*params),
        )
        return lambda p, y: call(p, y, par)
    f = getattr(f, "py_func", f)  # of numba.njit
    if not isinstance(f, FunctionType):
        raise ValueError(
            f"{name} must be a function made by def or lambda, a numba.cfunc or a scipy.LowLevelCallable, got {f!r}."
        )
    try:
        inspect.signature(f).bind(*range(2 + n))
    except TypeError:
        wanted = ", ".join(("p", "y", *NAMES[:n]))
        raise ValueError(
            f"{name} must take ({wanted}) for params of length {n}, found {inspect.signature(f)}."
        ) from None
    return lambda p, y: f(p, y, *params)


class _Trial:
    """A user's functions as `check_loss` calls them, their mistakes in words."""

    def __init__(self, value, slope, params):
        self._value, self._slope = _plain("value", value, params), _plain("slope", slope, params)
        self.trouble = None

    def value(self, p, y):
        return self._call("value", self._value, p, y)

    def slope(self, p, y):
        return self._call("slope", self._slope, p, y)

    def _call(self, name, f, p, y):
        try:
            found = f(p, y)
        except (ArithmeticError, ValueError) as error:  # in C the result is not finite, and nothing is raised
            self.trouble = f"{name} raised {type(error).__name__} at p={p:g}, y={y:g}: {error}."
            return float("nan")
        except Exception as error:
            raise ValueError(f"{name} raised {type(error).__name__} at p={p:g}, y={y:g}: {error}.") from error
        if not isinstance(found, Real):
            raise ValueError(f"{name} must return a number, but at p={p:g}, y={y:g} it returned {found!r}.")
        return float(found)


def try_out(value, slope, params, check_loss):
    """`check_loss` of these functions, without compiling them; a UserWarning where the slope is wrong.

    Returns
    -------
    LossReport

    Raises
    ------
    ValueError
        They are not functions of (p, y, *params) that return numbers, finite ones somewhere.
    """
    trial = _Trial(value, slope, params)
    report = check_loss(trial)
    if report.finite_nowhere:
        raise ValueError(trial.trouble or f"{report.message}.")
    if not report.slope_ok:
        warnings.warn(f"losses.Custom: {report.message}.", UserWarning, stacklevel=2)
    return report


# ---------------------------------------------------------------- from Python to C
_one_at_a_time = Lock()


def compiled(value, slope, n):
    """The two functions in C.

    Parameters
    ----------
    value, slope : function, numba cfunc or scipy.LowLevelCallable
    n : int
        How many numbers they take beside p and y.

    Returns
    -------
    Compiled

    Raises
    ------
    ValueError
        Numba can't compile them.
    """
    in_c = _in_c("value", value), _in_c("slope", slope)
    python = tuple(f if c is None else None for f, c in zip((value, slope), in_c, strict=True))
    with _one_at_a_time:
        *entries, both, keep = _from_python(*python, n)
    (value_at, value_par), (slope_at, slope_par) = (c or (e, True) for c, e in zip(in_c, entries, strict=True))
    return Compiled(value_at, value_par, slope_at, slope_par, both, (value, slope, keep))


@lru_cache(maxsize=128)  # a grid search makes a new loss for every fit, of the same functions
def _from_python(value, slope, n):
    """(address of value, of slope, of both together, what must be kept); a function that is None is left out."""
    given = {name: f for name, f in (("value", value), ("slope", slope)) if f is not None}
    scope, keep = {name: _native(name, f, n) for name, f in given.items()}, []
    exec(ENTRIES.format(numbers="".join(f", par[{i}]" for i in range(n))), scope)
    at = [_cfunc(scope[f"{name}_entry"], "double", keep) if name in given else 0 for name in ("value", "slope")]
    return *at, _cfunc(scope["both_entry"], "void", keep) if len(given) == 2 else 0, keep


def _native(name, f, n):
    """The user's function compiled for floats: division by zero gives infinity, and no digit is traded for speed."""
    import numba

    f = getattr(f, "py_func", f)
    if numba.config.DISABLE_JIT:
        raise ValueError(f"{name} can't be compiled by Numba: NUMBA_DISABLE_JIT is set in the environment; unset it.")
    try:
        done = numba.njit((numba.float64,) * (2 + n), error_model="numpy")(f)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line and not line.startswith("Failed in")), type(error).__name__)
        raise ValueError(
            f"{name} can't be compiled by Numba: {reason.rstrip('.')}; use only floats, math and numpy functions."
        ) from None
    kind = done.nopython_signatures[0].return_type
    if not isinstance(kind, numba.types.Float | numba.types.Integer | numba.types.Boolean):
        raise ValueError(f"{name} can't be compiled by Numba to return a number: it returns {kind} at some points.")
    return done


def _cfunc(entry, returns, keep):
    """The address of an entry; what holds its code is put into `keep`."""
    import numba

    double, pointer = numba.float64, numba.types.CPointer(numba.float64)
    sig = double(double, double, pointer) if returns == "double" else numba.void(numba.intp, *[pointer] * 5)
    done = numba.cfunc(sig, error_model="numpy")(entry)
    keep.append(done)
    return done.address


# ---------------------------------------------------------------- to another process
def pack(f):
    """f in a form that pickles: itself, or for a cfunc what it was made of."""
    if isinstance(f, LowLevelCallable):
        raise TypeError("a loss of a scipy.LowLevelCallable can't be pickled: its address means nothing elsewhere.")
    if not _is_cfunc(f):
        return f
    import numba

    return _Packed(numba.njit(f._pyfunc), f._sig, f._compiler.targetoptions)  # a dispatcher pickles by value


def unpack(f):
    """The opposite of `pack`."""
    if not isinstance(f, _Packed):
        return f
    import numba

    return numba.cfunc(f.sig, **f.options)(f.dispatcher.py_func)


_Packed = namedtuple("_Packed", "dispatcher sig options")
