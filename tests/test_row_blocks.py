"""Threads change no bit of what LinearClassifier and LinearRegressor find: passes are sums over fixed blocks of rows."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV

from fastsgd import LinearClassifier, LinearRegressor, blas
from fastsgd.solvers import hessian, row_blocks
from fastsgd.solvers.lazily import cached_property
from fastsgd.solvers.problem import stratified
from fastsgd.solvers.row_blocks import RowBlocks, block_slices
from fastsgd.threads import Threads

N, D = 1500, 12
rng = np.random.default_rng(0)
DENSE = rng.standard_normal((N, D)) * np.logspace(0, 2, D) + 3.0
SPARSE = sp.random_array((N, 60), density=0.1, format="csr", rng=rng)
LABELS = (DENSE[:, 0] + rng.standard_normal(N) > 3.0) * 1
CLASSES = np.digitize(DENSE[:, 1] + rng.standard_normal(N), [2.0, 4.0])
NUMBERS = abs(DENSE @ np.ones(D) / 100.0 + rng.standard_normal(N))
WEIGHT = rng.uniform(0.0, 2.0, N)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks as small as they may be, so that these few rows are many."""
    monkeypatch.setattr(row_blocks, "MIN_BLOCK_VALUES", 1)
    monkeypatch.setattr(row_blocks, "MIN_COLUMN_VALUES", 1)
    monkeypatch.setattr(hessian, "MIN_GRAM_SECONDS", 1e-12)


def outcome(model):
    history = model.history_[["epoch", "head", "objective", "gap"]]
    return model.coef_.tobytes(), model.intercept_.tobytes(), model.dual_gap_, model.stop_reason_, str(history.tolist())


CASES = {
    "newton": (LinearClassifier(), LABELS),
    "dual": (LinearClassifier("hinge", alpha=1e-2), LABELS),
    "l1": (LinearClassifier(penalty="l1", alpha=1e-3), LABELS),
    "elastic net": (LinearClassifier("squared_hinge", penalty="elasticnet"), LABELS),
    "without an intercept": (LinearClassifier(fit_intercept=False), LABELS),
    "classes": (LinearClassifier(class_weight="balanced"), CLASSES),
    "multinomial": (LinearClassifier(multi_class="multinomial", alpha=1e-2), CLASSES),
    "least squares": (LinearRegressor(), NUMBERS),
    "median": (LinearRegressor("quantile", alpha=1e-2), NUMBERS),
    "poisson": (LinearRegressor("poisson", alpha=1e-2), NUMBERS),
    "targets": (LinearRegressor("huber"), np.column_stack([NUMBERS, -NUMBERS])),
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["rows", "weights"])
@pytest.mark.parametrize("X", [DENSE, DENSE.astype(np.float32), SPARSE], ids=["dense", "float32", "csr"])
@pytest.mark.parametrize("case", CASES)
def test_any_number_of_threads_finds_the_same_bits(case, X, weight, small_blocks):
    model, y = CASES[case]
    model.set_params(random_state=0, tol=1e-3)
    one, three = (outcome(model.set_params(n_jobs=n).fit(X, y, weight)) for n in (1, 3))
    assert one == three


@pytest.mark.parametrize("case", ["newton", "dual", "multinomial"])
def test_a_hundred_fits_in_threads_are_one(case, small_blocks):
    model, y = CASES[case]
    model.set_params(random_state=0, tol=1e-2, n_jobs=2)
    assert len({outcome(model.fit(DENSE[:300], y[:300])) for _ in range(100)}) == 1


def _bits(_=None):
    return outcome(LinearClassifier(random_state=0, n_jobs=2).fit(DENSE, LABELS))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fits_work_in_threads_in_forks_and_in_processes_of_joblib(small_blocks):
    expected = _bits()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(_bits, range(8))) == {expected}
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert set(pool.map(_bits, range(4))) == {expected}
    assert set(Parallel(2, backend="threading")(delayed(_bits)() for _ in range(4))) == {expected}
    grid = GridSearchCV(LinearClassifier(random_state=0, n_jobs=2), {"alpha": [1e-3, 1e-1]}, n_jobs=2, cv=2)
    alone = GridSearchCV(LinearClassifier(random_state=0), {"alpha": [1e-3, 1e-1]}, cv=2)
    found = [search.fit(DENSE, LABELS) for search in (grid, alone)]
    assert found[0].cv_results_["mean_test_score"].tolist() == found[1].cv_results_["mean_test_score"].tolist()


def test_ctrl_c_does_not_wait_for_the_heads_of_other_threads():
    """Nor does an error of a callback. Some heads would take years."""
    for error in (KeyboardInterrupt, ZeroDivisionError):

        def strike(_, error=error):
            if threading.current_thread() is threading.main_thread():
                raise error

        model = LinearClassifier("hinge", alpha=1e-9, tol=1e-15, max_iter=10**9, n_jobs=2, callbacks=strike)
        with pytest.raises(error):
            model.fit(DENSE[:500], np.arange(500) % 3)


class Blas:
    """Stands for the controller of BLAS, whose threads are a number of the process."""

    threads = 8

    def limit(self, limits, user_api):
        self.before, self.threads = self.threads, limits
        return self

    def restore_original_limits(self):
        self.threads = self.before


def test_fits_at_once_have_one_blas_thread_and_leave_it_as_it_was(monkeypatch):
    """The second begins within the first, which ends within the second."""
    first_is_at_it, second_is_at_it = threading.Event(), threading.Event()
    controller = Blas()
    monkeypatch.setattr(blas, "_blas", lambda: controller)

    def in_first(_):
        first_is_at_it.set()
        assert second_is_at_it.wait(60)

    def in_second(_):
        second_is_at_it.set()
        first.result(60)
        assert controller.threads == 1

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(LinearClassifier(callbacks=in_first).fit, DENSE, LABELS)
        assert first_is_at_it.wait(60)
        pool.submit(LinearClassifier(callbacks=in_second).fit, DENSE, LABELS).result(60)
    assert controller.threads == 8


@pytest.mark.parametrize("X", [DENSE, SPARSE], ids=["dense", "csr"])
def test_blocks_are_all_rows_once_and_their_sums_those_of_all(X, small_blocks):
    whole, blocks = RowBlocks(X, most=1), RowBlocks(X, Threads(2))
    assert len(whole.slices) == 1 and len(blocks.slices) > 10
    assert np.array_equal(np.concatenate([np.arange(N)[rows] for rows in blocks.slices]), np.arange(N))
    at = np.linspace(-1.0, 1.0, N)
    assert blocks.dot(at, at) == pytest.approx(whole.dot(at, at), rel=1e-14)
    assert np.array_equal(blocks.each(lambda rows: at[rows] ** 2), at**2)
    for part, rows in zip(blocks.parts, blocks.slices, strict=True):
        assert part.shape == X[rows].shape
        if sp.issparse(X):
            lo, hi = part.indptr[0], part.indptr[-1]
            assert np.array_equal(part.data[lo:hi], X[rows].data) and np.shares_memory(part.data, X.data)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize("most", [-1, 0, 1, 2, 7, 5000])
def test_rows_are_cut_into_no_more_blocks_than_may_be(n, most):
    slices = block_slices(n, most)
    assert 1 <= len(slices) <= max(1, most)
    assert slices[0].start == 0 and slices[-1].stop == n
    assert all(a.stop == b.start for a, b in pairwise(slices))


def test_few_rows_are_one_block():
    assert len(RowBlocks(DENSE).slices) == 1


@pytest.mark.parametrize("n, m", [(10, 7), (1000, 667), (1000, 3), (5, 5), (5, 9)])
def test_a_sample_has_no_row_twice(n, m):
    """A bound from the slopes of a sample's rows counts each of them once."""
    for seed in range(20):
        rows = stratified(n, m, seed)
        assert np.array_equal(rows, np.unique(rows)) and rows[-1] < n and 0.6 * min(n, m) < len(rows) <= m


def test_a_property_that_one_thread_works_out_keeps_no_other_object_waiting():
    """Nor, so, the child of a fork for ever."""

    class Slow:
        def __init__(self, work):
            self.work = work

        @cached_property
        def value(self):
            return self.work()

    with ThreadPoolExecutor(1) as pool:
        assert Slow(lambda: pool.submit(lambda: Slow(lambda: 3).value).result(60)).value == 3
