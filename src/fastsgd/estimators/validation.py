"""What users pass in, checked once: every bad input is a ValueError that names the argument, what was found, what to do."""

import re
import threading
from contextlib import contextmanager
from numbers import Integral
from os import PathLike

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from fastsgd.sources import _check
from fastsgd.sources.base import Rows
from fastsgd.sources.blocks import Checked
from fastsgd.sources.sparse import FLOATS, sound_csr
from fastsgd.sources.telling import tell
from fastsgd.threads import Threads, n_threads

PLAIN = *FLOATS, np.int32, np.int64
THREAD_VALUES = 1 << 20  # A thread looks at this many values at once.
_generators = threading.local()

ENCODE = (
    "Encode them (sklearn.preprocessing.OneHotEncoder), make numbers of dates and times, leave them out, or give the table as "
    "fastsgd.sources.from_arrow(table, target=...), which hashes words."
)


def drawn_seed(random_state):
    """A seed for all that a fit draws: the first number of that generator.

    Of a whole number it is drawn without making a generator, which takes as long as some dozens of epochs on a small table.
    """
    if isinstance(random_state, Integral):
        if not hasattr(_generators, "own"):
            _generators.own = np.random.RandomState(0)
        _generators.own.seed(random_state)
        random_state = _generators.own
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def check_X(est, X, *, reset=False, name="X"):
    """X as an ndarray or CSR matrix with every index in bounds and every number finite; not copied where it is one already.

    Parameters
    ----------
    est : estimator
        Learns the number and names of the features with `reset`, else compares them.
    X : array-like or sparse matrix of shape (n_samples, n_features), or Rows
    reset : bool
    name : str
        What to call X in errors.

    Raises
    ------
    ValueError
        Wrong shape, not numeric, NaN or infinite, or a malformed sparse structure.
    """
    if type(X) is Checked:  # of a block of a source
        return X.X
    if isinstance(X, Rows):  # which a user made
        X = X.X
    if isinstance(X, str | PathLike):
        raise ValueError(
            f"{name} is a path, {str(X)!r}: give a source of it, such as fastsgd.sources.from_csv(path, target=...)."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array, of which {X.mask.sum()} values are masked: fill them, or leave out those rows."
        )
    if reset:
        vars(est).pop("reading_", None)  # of a source
        vars(est).pop("_label_columns", None)
    sparse = sp.issparse(X)
    X = sound_csr(X, name) if sparse else _array(X)
    if _plain(X) and (reset or _as_before(est, X)):
        _finite(X, name, getattr(est, "n_jobs", None))
        if reset:
            vars(est).pop("feature_names_in_", None)
            est.n_features_in_ = X.shape[1]
        return X
    how = {"accept_sparse": "csr", "accept_large_sparse": True, "ensure_all_finite": False, "dtype": "numeric"}
    given = X
    try:
        X = validate_data(est, X, reset=reset, **how)
    except (ValueError, TypeError, OverflowError) as error:
        table = _words(X)
        if words := table or _odd_cell(X):
            # scikit-learn's own checks ask for a TypeError where a cell is no number and no text.
            if isinstance(error, TypeError) and not table:
                raise TypeError(f"{name} has columns that are not numbers: {words}. {ENCODE} ({error})") from error
            raise ValueError(f"{name} has columns that are not numbers: {words}. {ENCODE}") from error
        if isinstance(error, OverflowError):
            raise ValueError(f"{name} holds a number that is too large for float64: {error}.") from error
        if name != "X" and isinstance(error, ValueError):
            raise ValueError(f"{name}: {error}") from error
        raise
    if X.dtype.kind not in "fiub":
        if words := _words(given):  # such as pandas' categories
            raise ValueError(f"{name} has columns that are not numbers: {words}. {ENCODE}")
        odd = _odd_cell(X)  # of a list, which scikit-learn leaves as it is
        raise ValueError(f"{name} must hold real numbers, found {f'column {odd}' if odd else f'dtype {X.dtype}'}.")
    if sp.issparse(X) and not sparse:  # of a table with sparse columns
        X = sound_csr(X, name)
    _finite(X, name, getattr(est, "n_jobs", None))
    return X


def _words(X):
    """The columns of a pandas table that can't be numbers, with their dtypes, in words; of anything else ""."""
    dtypes = getattr(getattr(X, "dtypes", None), "items", tuple)()
    odd = [
        f"{column!r} ({dtype})"
        for place, (column, dtype) in enumerate(dtypes)
        if (kind := getattr(dtype, "kind", "V")) not in "fiub" and not (kind == "O" and _numeric(X.iloc[:, place]))
    ]
    return ", ".join(odd[:5]) + (", ..." if len(odd) > 5 else "")


def _numeric(column):
    try:
        column.astype(float)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _odd_cell(X):
    """The first column of an array of Python objects that holds one which is no number, in words; of anything else ""."""
    a = X if isinstance(X, np.ndarray) else np.empty(0)
    for column in range(a.shape[1]) if a.dtype == object and a.ndim == 2 else ():
        for row, cell in enumerate(a[:, column]):
            try:
                float(cell) if cell is not None else None
            except (ValueError, TypeError):
                return f"{column} (row {row} holds {str(cell)[:40]!r})"
            except OverflowError:
                return f"{column} (row {row} holds a number too large for float64)"
    return ""


def _array(values):
    """A list of plain numbers, or of such lists, as an array; all else as it is, for scikit-learn to see."""
    if type(values) is not list or not values or type(values[0]) not in (list, int, float):
        return values
    try:
        found = np.array(values)
    except (ValueError, TypeError, OverflowError):
        return values
    return found if found.dtype in PLAIN else values


def _plain(X):
    """Whether nothing is left to convert, nor any name to be learnt."""
    return (type(X) is np.ndarray or sp.issparse(X)) and X.ndim == 2 and X.dtype in PLAIN and min(X.shape) > 0


def _as_before(est, X):
    """Whether the features are those of `fit`, as far as an array tells."""
    return X.shape[1] == getattr(est, "n_features_in_", -1) and not hasattr(est, "feature_names_in_")


def _finite(X, name, n_jobs=None):
    values = X.data[: X.nnz] if sp.issparse(X) else X
    if values.dtype.kind != "f":
        return
    if values.dtype not in FLOATS:
        bad = not np.isfinite(values).all()
        where = tuple(np.argwhere(~np.isfinite(values))[0]) if bad else ()
    else:
        flat = values.ravel(order="K") if values.flags.forc else np.ascontiguousarray(values).ravel()
        if not (flat.flags.aligned and flat.dtype.isnative):
            flat = flat.astype(flat.dtype.newbyteorder("="))
        at = _first_nonfinite(flat, n_jobs)
        bad, order = at >= 0, "F" if values.flags.f_contiguous and not values.flags.c_contiguous else "C"
        where = np.unravel_index(at, values.shape, order=order) if bad else ()
    if bad:
        where = tuple(int(i) for i in where)
        what = "NaN" if np.isnan(values[where]) else "infinity or a value too large for its dtype"
        row, column = where if values is X else (np.searchsorted(X.indptr, where[0], "right") - 1, X.indices[where[0]])
        raise ValueError(
            f"Input {name} contains {what} (at row {row}, column {column}). Remove such rows, or impute them "
            "(sklearn.impute)."
        )


def _first_nonfinite(values, n_jobs):
    """Where the first value is that is not finite; -1 without one."""
    if len(values) < 2 * THREAD_VALUES:
        return _check.first_nonfinite(values)
    starts = range(0, len(values), THREAD_VALUES)
    found = Threads(n_threads(n_jobs)).map(
        lambda start: _check.first_nonfinite(values[start : start + THREAD_VALUES]), starts
    )
    return next((start + at for start, at in zip(starts, found, strict=True) if at >= 0), -1)


def check_weight(sample_weight, n, name="sample_weight"):
    """Weights of n rows, float64 and not negative; None for ones."""
    if sample_weight is None:
        return None
    if sp.issparse(sample_weight):
        raise ValueError(f"{name} must be a dense array, got {type(sample_weight).__name__}.")
    _check_dates(sample_weight, name)
    with np.errstate(invalid="ignore"), numbers(name):  # its sum of inf and -inf
        s = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name=name, ensure_min_samples=0)
    if s.ndim == 0:
        s = np.full(n, s)
    if s.ndim != 1:
        raise ValueError(f"Sample weights must be 1D array or scalar: {name} has shape {s.shape}.")
    if len(s) != n:
        raise ValueError(f"{name}.shape == {s.shape}, expected {(n,)}!")
    if len(s) and s.min() < 0:
        raise ValueError(f"Negative values in data passed to `{name}`: {s.min():g} at position {int(s.argmin())}.")
    return np.require(s, requirements="CA")


@contextmanager
def numbers(name):
    """What can't be made a number is said to be in this argument."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(f"{name} must hold numbers that fit in float64: {error}.") from error
    except (ValueError, TypeError) as error:
        if found := re.search(r"float\(\) argument must be .* not '(.*)'", str(error)):
            raise ValueError(f"{name} must hold numbers, and one of its entries is of type {found[1]}.") from error
        if f"{name} must" in str(error) or "convert" not in str(error):
            raise
        raise ValueError(f"{name} must hold numbers: {error}.") from error


def _check_dates(values, name):
    """Refuse dates and times, which NumPy would take for the numbers that they are kept as."""
    if getattr(getattr(values, "dtype", None), "kind", "f") in "mM":
        raise ValueError(f"{name} holds dates or times ({values.dtype}): make them numbers, in a unit of your choice.")


def check_lengths(X, y, names=("X", "y")):
    """Refuse a y that has not one entry a row of X."""
    n = y.shape[0] if hasattr(y, "shape") else len(y)
    if X.shape[0] != n:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {names[0]} has {X.shape[0]} rows, {names[1]} has {n}."
        )


def check_targets(y, loss, name="y"):
    """Real-valued targets: float64 array of shape (n,) or (n, n_outputs), within what the loss takes."""
    y = _array(y)
    if type(y) is np.ndarray and y.dtype.kind == "i" and y.ndim == 1:
        y = y.astype(np.float64)
    plain = type(y) is np.ndarray and y.dtype == np.float64 and y.ndim == 1 and y.flags.carray
    if not (plain and y.size and _check.first_nonfinite(y) < 0):
        check_dense(y, name)
        _check_dates(y, name)
        with np.errstate(invalid="ignore"), numbers(name):  # its sum of inf and -inf
            y = check_array(y, ensure_2d=False, allow_nd=False, dtype=np.float64, input_name=name)
    if y.ndim == 2 and y.shape[1] == 1:
        tell(
            f"A column-vector {name} was passed when a 1d array was expected. Please change the shape of {name} to "
            "(n_samples, ), for example using ravel().",
            DataConversionWarning,
        )
        y = y.ravel()
    if y.ndim == 0 or y.ndim > 2:
        raise ValueError(f"{name} must have one or two dimensions, found {y.ndim}.")
    low = y.min()
    if low < loss.lower or (loss.strict and low <= loss.lower):
        raise ValueError(
            f"loss={loss.name!r} needs {name} {'>' if loss.strict else '>='} {loss.lower:g}, found {low:g}."
        )
    least, most = loss.greatest
    if (least > 0 or most < np.inf) and not least <= (high := y.max()) <= most:
        raise ValueError(
            f"loss={loss.name!r} needs {name} between {least:.3g} and {most:.3g} at its greatest, found {high:.3g}: beyond "
            f"that no prediction is the best. Divide {name} by a constant, whose logarithm the intercept is then smaller by."
        )
    return np.require(y, requirements="A")


def check_dense(y, name):
    """Refuse a sparse matrix or a single number as targets."""
    if sp.issparse(y) or np.isscalar(y) or getattr(y, "ndim", 1) == 0:
        raise ValueError(f"{name} must be a dense array with an entry for each row, got {type(y).__name__}.")


def check_labels(y, name="y"):
    """Class labels as a one-dimensional array without NaN."""
    y = _array(y)
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu":
        return y
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "SV":
        raise ValueError(
            f"{name} must hold numbers or words as labels, found {y.dtype}: decode bytes (np.char.decode)."
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"Input {name} contains NaN or infinity.")
    if y.dtype == object and not all(isinstance(label, str) for label in y):
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"{name} is an array of Python objects that are not all words, found {', '.join(kinds[:5])}: make them of one kind "
            "(y.astype(int), y.astype(str)), and leave out rows without a label. Unknown label type."
        )
    return y


def check_distributions(y, name="y"):
    """Probabilities of the classes in each row: C-ordered float64 array of shape (n, n_classes)."""
    y = check_array(y, dtype=np.float64, order="C", input_name=name)
    total = y.sum(axis=1)
    wrong = (y < 0).any(axis=1) | (abs(total - 1.0) > 1e-3)  # half precision adds up to no more than that
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"a two-dimensional {name} holds probabilities of the classes, which are >= 0 and add up to 1 in each row; "
            f"row {row} is {y[row].tolist()}."
        )
    return y / total[:, None]


def distributions(y):
    """Probabilities of all the classes, of y that may hold those of class 1 alone."""
    return np.column_stack([1.0 - y, y]) if y.ndim == 1 else y


def unique_labels(y):
    """The sorted labels; in linear time for integers of a small range."""
    if y.dtype.kind in "iu" and y.size:
        low, high = y.min(), y.max()
        if int(high) - int(low) < max(1024, y.size):
            above = (
                y.astype(np.int64, copy=False) if low == 0 else np.subtract(y, low, dtype=np.int64, casting="unsafe")
            )
            return np.flatnonzero(np.bincount(above)).astype(y.dtype) + low
    if y.dtype.kind == "b":
        return np.array([v for v in (False, True) if (y == v).any()])
    return np.unique(y)


def encode(y, classes, name="y"):
    """The place of each label in the sorted classes, int32; ValueError where there is none."""
    mixed = {classes.dtype.kind, y.dtype.kind} == {"i", "u"}  # together they would become float64
    code = np.searchsorted(classes, y.astype(classes.dtype) if mixed else y)
    code[code == len(classes)] = 0
    strange = classes[code] != y
    if np.any(strange):
        raise ValueError(
            f"{name} contains labels that are not in classes={classes.tolist()}: "
            f"{np.unique(np.asarray(y)[strange])[:5].tolist()}."
        )
    return code.astype(np.int32)
