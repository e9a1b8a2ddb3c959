"""Ctrl-C while the models beside a model are trained: none of them may have learnt from other rows than it was given."""

import contextlib
import copy
import itertools
import pickle

import numpy as np
import pytest
from support.same_models import assert_same_models
from support.strikes import struck

import fastsgd
from fastsgd import SGDRegressor, beside
from fastsgd.sources.arrays import Table

# With three of them, standard errors are rough, and what is told of them too.
pytestmark = pytest.mark.filterwarnings("ignore:the average has not settled")
MANY = 100_000  # rows, of which kernel calls take two thirds and a third
MODELS = 1 + 1 + 3 + 2  # the model itself, that of longer steps, resamples and parts
ONCE = {"learning_rate": "auto", "penalty": None, "random_state": 0, "max_iter": 1, "tol": None, "shuffle": False}
PARAMS = ONCE | {"n_bootstrap": 3, "n_splits": 2}
LONG = np.random.default_rng(1).standard_normal((MANY, 2))
LONG_Y = LONG[:, 0] + LONG[:, 1] ** 2
MORE, MORE_Y = LONG[:3000] + 0.1, LONG_Y[:3000]


def after_calls(n, params=PARAMS):
    """The model of the first n kernel calls, whose rows they are, and how many of these there are."""
    ends = np.cumsum([order.n for _, order, _ in Table(LONG).chunks(np.dtype(float), 1, False, 0, 0)])
    assert len(ends) == 2
    rows = slice(0, ends[n - 1])
    return SGDRegressor(**params).fit(LONG[rows], LONG_Y[rows]), ends[n - 1]


class Struck:
    """`beside.local`, with the error at the given calls, by their numbers from 0: before the rows of the call, or after."""

    def __init__(self, monkeypatch, at, after, error=KeyboardInterrupt):
        self.local, self.at, self.after, self.error, self.calls = beside.local, at, after, error, itertools.count()
        monkeypatch.setattr(beside, "local", self)

    def __call__(self, state, *args):
        strike = next(self.calls) in self.at
        if strike and not self.after:
            raise self.error
        self.local(state, *args)
        if strike:
            state.at["t"] = 1  # as if the interrupt had come right after the kernel
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_an_interrupt_leaves_all_models_after_the_same_rows(monkeypatch, partial, n_jobs, error):
    """Wherever it comes; and the rows that follow have numbers that go on."""
    expected = {n: after_calls(n) for n in (1, 2)}
    for at, after in [(0, True), *itertools.product(range(1, 2 * MODELS), (False, True))]:
        with monkeypatch.context() as patch:
            Struck(patch, [at], after, error)
            est = SGDRegressor(**PARAMS, n_jobs=n_jobs)
            with contextlib.suppress(ZeroDivisionError, KeyboardInterrupt):
                (est.partial_fit if partial else est.fit)(LONG, LONG_Y)
        n_calls = 1 + (at >= MODELS) - (n_jobs == 1 and at == MODELS and not after)
        if n_jobs == 2 and at == MODELS:  # The first thread may have been stopped before another has begun.
            n_calls = 1 + (est._state.beside.n_rows == MANY)
        whole, n_rows = expected[n_calls]
        assert_same_models(est, whole)
        assert est.stop_reason_ == ("error" if error is ZeroDivisionError else "interrupted")
        assert est.coef_table().attrs["n_rows"] == est._state.beside.seen == n_rows
        assert est._state.t == whole._state.t
    whole.partial_fit(MORE, MORE_Y)
    assert_same_models(est.partial_fit(MORE, MORE_Y), whole)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_of_a_later_pass_forgets_no_row(monkeypatch, n_jobs):
    Struck(monkeypatch, [2 * MODELS + 3], False)
    est = SGDRegressor(**PARAMS | {"max_iter": 3}, n_jobs=n_jobs)
    with contextlib.suppress(KeyboardInterrupt):
        est.fit(LONG, LONG_Y)
    assert est.coef_table().attrs["n_rows"] == MANY
    est.partial_fit(MORE, MORE_Y)
    assert est.coef_table().attrs["n_rows"] == MANY + len(MORE)
    assert est._state.beside.rows == MANY


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_second_interrupt_while_the_models_catch_up_is_told(monkeypatch, tmp_path, n_jobs):
    Struck(monkeypatch, range(3, 8), False)
    est = SGDRegressor(**PARAMS, n_jobs=n_jobs)
    with contextlib.suppress(KeyboardInterrupt):
        est.fit(LONG, LONG_Y)
    monkeypatch.undo()
    est.save(tmp_path / "model")
    for one in (est, pickle.loads(pickle.dumps(est)), fastsgd.load(tmp_path / "model"), clone_of_stream(est)):
        for ask in (one.coef_table, one.std_errors, lambda one=one: one.predict_interval(LONG)):
            with pytest.raises(ValueError, match=r"was interrupted again .* have learnt from fewer rows: fit anew"):
                ask()
    assert est.fit(LONG, LONG_Y).coef_table().attrs["n_rows"] == MANY


def clone_of_stream(est):
    """A copy that has gone on with more rows."""
    return copy.deepcopy(est).partial_fit(MORE, MORE_Y)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_models_are_in_step_whatever_line_is_interrupted(call):
    caught = 0
    for at in range(40, 3000, 41):
        est = SGDRegressor(**PARAMS)
        if not struck(lambda est=est: getattr(est, call)(MORE, MORE_Y), at):
            break
        if hasattr(est, "_state"):
            all_rows, others = est._state.auto.at["t"], est._state.beside
            assert others.in_step and all_rows == others.longer.auto.at["t"] == sum(
                s.auto.at["t"] for s in others.parts
            )
            caught += 1
    assert caught
