"""Which row a training visits when, for whoever takes the same steps by hand."""

import copy
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.sources.blocks import blocks
from fastsgd.sources.stream import Stream


def visiting_order(
    estimator: Any, X: Any, y: Any = None, sample_weight: Any = None, *, epoch: int = 1
) -> NDArray[np.int64]:
    """The rows in the order in which `fit` visits them in an epoch, so that other code can take the very same steps.

    With ``order = visiting_order(est, X, y, epoch=k)``, step i of epoch k is of row ``order[i]``; with batches it is of the
    rows ``order[i * batch_size : (i + 1) * batch_size]``, and the last batch of an epoch may be shorter.

    The order is a pure function of the seed, the epoch, the number of rows, and the mean number of values in a row of X:
    blocks of rows that lie together in random order, so that memory is read in stretches, and in a buffer of many blocks
    a random order of the rows (Fisher-Yates). With shuffle="replace" row i of the n draws is ``floor(u_i n)``, where u_i
    is uniform. All draws are of the counter-based generator Philox4x32-10 [1]_, whose key is the seed.

    Parameters
    ----------
    estimator : SGDClassifier, SGDRegressor or SGDOneClassSVM
        Of one that is not fitted, `random_state` must not be None: it is the order of a fit to come, with n_init of its first
        start. Of a fitted one it is that of the training that it comes from; take a `clone` for another one.
    X, y, sample_weight : as given to `fit`
        A source is read to count the rows of its blocks.
    epoch : int, default=1
        From 1, as in `history_`. Also the number of a call of `partial_fit`, of the rows of that call: its order then follows
        from the estimator before the first call.

    Returns
    -------
    int64 array
        Numbers of rows of X, or of a source in its order. Rows of weight zero, and with early_stopping those of the
        validation set, are left out, as no step is of them.

    Raises
    ------
    ValueError
        The estimator visits no rows one after another, or its order was drawn and is not known any more.

    Notes
    -----
    Where `n_jobs` threads have a part in the steps, each takes a part of this order. It plays no role where a step is of all
    rows, but for its sum's rounding.

    References
    ----------
    .. [1] Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3.

    Examples
    --------
    An epoch of squared-error SGD, by hand:

    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.sources import visiting_order
    >>> X = np.random.default_rng(0).standard_normal((100, 2))
    >>> y = X @ [1.0, -2.0]
    >>> est = SGDRegressor(
    ...     penalty=None, learning_rate="constant", eta0=0.1, max_iter=1, tol=None, shuffle="replace", random_state=0
    ... )
    >>> w, b = np.zeros(2), 0.0
    >>> for i in visiting_order(est, X, y):
    ...     slope = w @ X[i] + b - y[i]
    ...     w, b = w - 0.1 * slope * X[i], b - 0.1 * slope
    >>> est = est.fit(X, y)
    >>> np.allclose(w, est.coef_, rtol=0, atol=1e-12), np.allclose(b, est.intercept_, rtol=0, atol=1e-12)
    (True, True)
    """
    if isinstance(estimator, type):
        raise ValueError(f"estimator must be an estimator, got its class: give {estimator.__name__}().")
    if not hasattr(estimator, "_new_state") or hasattr(estimator, "_local"):
        raise ValueError(
            "visiting_order is for SGDClassifier, SGDRegressor and SGDOneClassSVM, which visit rows one after another, got "
            f"{type(estimator).__module__}.{type(estimator).__name__}."
        )
    if not (isinstance(epoch, Integral) and epoch >= 1):
        raise ValueError(f"epoch must be a whole number from 1 on, got {epoch!r}.")
    fitted = vars(estimator).get("_state")
    if not _tells(estimator, fitted is not None):
        drawn = "the order" if fitted is None else "which rows were split off"
        raise ValueError(
            f"random_state={estimator.random_state!r} does not tell {drawn}: set random_state to a whole number."
        )
    estimator._check_params()
    rng = copy.deepcopy(estimator.random_state)
    problem = estimator._problem(X, y, sample_weight, random_state=rng)
    problem.est.random_state = rng  # It goes on from the split, as in a fit.
    state = problem.est._new_state(problem.X, problem.heads, None, None)
    seed = state.seed if fitted is None else fitted.seed
    return _visits(problem.table, state.W.dtype, estimator.shuffle, seed, int(epoch) - 1)


def _tells(estimator: Any, fitted: bool) -> bool:
    """Whether what `fit` draws, or has drawn, follows from the estimator. A generator has gone on since."""
    state = estimator.random_state
    return isinstance(state, Integral) or (not estimator.early_stopping if fitted else state is not None)


def _visits(table: Any, dtype: Any, shuffle: Any, seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows of positive weight of an epoch, by their numbers in the data."""
    by_block = isinstance(table, Stream) and table.source.mapped is None
    if isinstance(table, Stream):
        table = replace(table, numbered=by_block, tells=False)
    starts = _starts(table) if by_block else None
    found = [np.zeros(0, np.int64)]
    for part, order, _ in table.chunks(dtype, 1, shuffle, seed, epoch):
        rows = order.numbers()
        rows = rows if part.s is None else rows[part.s[rows] != 0]
        numbers = rows if part.number is None else part.number[rows]
        found.append(numbers if starts is None else starts[numbers >> 32] + (numbers & 0xFFFFFFFF))
    numbers = np.concatenate(found).astype(np.int64, copy=False)
    places = getattr(table.source, "places", None) if by_block else None
    return numbers if places is None else places()[numbers]


def _starts(stream: Stream) -> NDArray[np.int64]:
    """How many rows of the source come before each of its blocks."""
    sizes = [rows.X.shape[0] for rows in blocks(stream.source, stream.n_features)]
    return np.cumsum([0, *sizes])
