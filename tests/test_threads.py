"""What all who use threads rely on: the order of results, errors, Ctrl-C, pieces within pieces, and forks."""

import gc
import multiprocessing
import signal
import threading
import weakref

import numpy as np
import pytest
from joblib import cpu_count, parallel_config

from fastsgd import threads
from fastsgd.threads import Threads


def test_results_are_in_the_order_of_the_pieces():
    assert Threads(3).map(lambda i: i * i, range(100)) == [i * i for i in range(100)]
    assert Threads(3).map(str, []) == []


def test_pieces_are_worked_on_at_once():
    both = threading.Barrier(2, timeout=60)
    assert len(set(Threads(2).map(lambda _: both.wait(), range(2)))) == 2


@pytest.mark.parametrize("n", [1, 2])
def test_the_first_error_by_the_order_of_the_pieces_is_raised(n):
    def fail(i):
        if i >= 2:
            raise ValueError(f"piece {i}")

    with pytest.raises(ValueError, match="piece 2"):
        Threads(n).map(fail, [0, 1, 2])


def test_after_an_error_or_ctrl_c_no_piece_is_begun_and_none_is_under_way():
    begun, ended = [], []

    def piece(i):
        begun.append(i)
        if i == 1:
            raise KeyboardInterrupt
        ended.append(i)

    with pytest.raises(KeyboardInterrupt):
        Threads(1).map(piece, range(1000))
    assert (begun, ended) == ([0, 1], [0])
    first = threading.current_thread()

    def other(i):
        begun.append(i)
        if threading.current_thread() is first:
            raise KeyboardInterrupt
        ended.append(i)

    begun.clear(), ended.clear()
    with pytest.raises(KeyboardInterrupt):
        Threads(2).map(other, range(100_000))
    assert len(begun) == len(ended) + 1


def test_pieces_may_have_pieces_of_their_own():
    def outer(i):
        return Threads(4).map(lambda k: 10 * i + k, range(5))

    assert Threads(4).map(outer, range(8)) == [[10 * i + k for k in range(5)] for i in range(8)]


@pytest.mark.parametrize("n", [1, 2])
def test_work_ahead_is_done_once_whoever_does_it_and_not_at_all_where_nobody_began_or_asked(n):
    done = []
    with Threads(n).ahead(lambda wanted: done.append(wanted()) or len(done)) as ahead:
        assert ahead.result() == 1 and ahead.result() == 1
    assert done == [True]
    with Threads(1).ahead(lambda _: done.append(2)):
        pass
    assert done == [True]
    with pytest.raises(ZeroDivisionError), Threads(n).ahead(lambda _: 1 / 0) as ahead:
        ahead.result()


def test_long_pieces_are_told_when_another_fails():
    both, called_off = threading.Barrier(2, timeout=60), threading.Event()

    def piece(i):
        both.wait()
        if i == 0:
            raise ZeroDivisionError
        assert called_off.wait(60)

    with pytest.raises(ZeroDivisionError):
        Threads(2).map(piece, range(2), called_off.set)


def test_ctrl_c_at_any_moment_waits_for_the_pieces_under_way():
    """While `map` works or waits for the other thread; by another signal than that of pytest."""
    first, under_way, struck = threading.main_thread(), [], 0

    def strike(_, frame):
        while frame is not None:
            if frame.f_code is Threads.map.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    def piece(_):
        if threading.current_thread() is first:
            sum(range(3000))
        else:  # There is one helper, so that nothing else writes to the list.
            under_way.append(True)
            sum(range(3000))
            under_way.pop()

    Threads(3).map(piece, range(30))
    gc.disable()  # Other libraries have Python work in it, which can't be interrupted without a warning.
    before = signal.signal(signal.SIGALRM, strike)
    try:
        for k in range(400):
            signal.setitimer(signal.ITIMER_REAL, 2e-6 * (1 + k))
            try:
                Threads(3).map(piece, range(30))
            except KeyboardInterrupt:
                struck += 1
            assert not under_way
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert struck
    assert Threads(3).map(abs, [-1, -2]) == [1, 2]


@pytest.mark.parametrize("given", [0, 1])
def test_a_system_that_gives_no_more_threads_costs_only_time(given, monkeypatch):
    """Nothing is left undone by who did begin, and what nobody began is not kept."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "_pool", threads._Pool())
    start, left, both = threads.start_new_thread, [given], threading.Barrier(1 + given, timeout=60)

    def refuse(*args):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(*args)

    monkeypatch.setattr(threads, "start_new_thread", refuse)

    def piece(i):
        if i <= given:
            both.wait()
        sum(range(10_000))
        return i

    assert Threads(4).map(piece, range(5)) == list(range(5))
    kept = weakref.ref(piece)
    del piece
    assert given or kept() is None


def test_work_ahead_is_called_off_and_over_when_its_context_is():
    begun, ended = threading.Event(), []

    def work(wanted):
        begun.set()
        while wanted():
            pass
        ended.append(True)

    with pytest.raises(KeyError), Threads(2).ahead(work):
        assert begun.wait(60)
        raise KeyError
    assert ended == [True]


def test_numpy_settings_of_the_caller_hold_in_all_threads():
    with np.errstate(divide="raise", over="ignore"):
        found = Threads(4).map(lambda _: np.geterr(), range(50))
    assert all(settings["divide"] == "raise" and settings["over"] == "ignore" for settings in found)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    assert Threads(2).map(abs, [-1, -2, -3]) == [1, 2, 3]
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        child = context.Process(target=_in_a_child)
        child.start()
        child.join(60)
        assert child.exitcode == 0


def _in_a_child():
    assert Threads(2).map(abs, [-1, -2, -3]) == [1, 2, 3]


def test_n_jobs_is_as_joblib_counts():
    assert threads.n_threads(None) == 1 and threads.n_threads(3) == 3
    assert threads.n_threads(-1) == cpu_count() and threads.n_threads(-1000) == 1
    with parallel_config(backend="threading", n_jobs=2):
        assert threads.n_threads(None) == 2
    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        threads.n_threads(0)
