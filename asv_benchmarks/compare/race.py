"""Solvers of one problem, each in a process of its own that waits while another one is asked: all meet the same machine."""

import multiprocessing
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from .peers import EFFORTS, PEERS, Unsuited, prepared
from .problems import Problem, make

OURS = "fastsgd"
SHARES = 1e-2, 1e-3  # how far above the least objective
MIN_PREPARATION = 120.0  # seconds that a peer has at least, to load, compile and convert
FEW_ROWS = 600  # that say whether a peer has such a loss, penalty and layout


@dataclass
class Result:
    """What one solver did on one problem.

    Attributes
    ----------
    seconds : dict of float to list
        By share above the least objective: the time of each fit that came there.
    words : str
        "", or why there are none: "time-out", "not reached", "crashed", "not installed" or "unsuited". Of ours: what ended it.
    spent : float
        Seconds of the longest fit that did not get there: the time to each share is at least that.
    """

    seconds: dict[float, list[float]] = field(default_factory=dict)
    words: str = ""
    spent: float = 0.0

    def time(self, share: float) -> float:
        """The median, or inf."""
        return median(self.seconds[share]) if self.seconds.get(share) else np.inf


def work(pipe, name: str, solver: str, scale: int) -> None:
    """In the process of the solver: prepare, and fit whenever asked."""
    warnings.simplefilter("ignore")
    problem = make(name, scale)
    F = problem if solver == OURS else problem.scaled()
    fit = ours(F) if solver == OURS else prepared(solver, F)
    pipe.send("ready")
    while True:
        effort = pipe.recv()
        start = time.perf_counter()
        coef, intercept = fit(effort)
        pipe.send((time.perf_counter() - start, F(coef, intercept)))


def ours(problem):
    """The effort is the share that is to be certified. A first fit loads what later ones need."""

    def fit(share):
        model = problem.ours(share).fit(problem.X, problem.y)
        return model.coef_, model.intercept_

    fit(SHARES[0])
    return fit


class Solver:
    """The near end of a process."""

    def __init__(self, name: str, solver: str, scale: int, budget: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=work, args=(far, name, solver, scale), daemon=True)
        self.process.start()
        far.close()
        self.budget, self.effort, self.result = budget, {}, Result()

    def wait(self) -> bool:
        """Whether it is ready, once it is."""
        answer = self.answer(max(MIN_PREPARATION, 4 * self.budget))
        if answer != "ready":
            self.end(answer or "crashed")
        return answer == "ready"

    def answer(self, seconds: float):
        """What the process sends, or None if it is too late or over."""
        with suppress(EOFError, ConnectionError):
            if self.pipe.poll(seconds):
                return self.pipe.recv()
            self.result.words = "time-out"
        return None

    def ask(self, effort: float) -> tuple[float, float] | None:
        """Seconds and objective of a fit; None, and the process is over, if it took more than the budget."""
        start = time.perf_counter()
        with suppress(ConnectionError):
            self.pipe.send(effort)
        answer = self.answer(self.budget)
        if answer is None:
            self.result.spent = max(self.result.spent, time.perf_counter() - start)
            self.end(self.result.words or "crashed")
        return answer

    def end(self, words: str) -> None:
        self.result.words = words
        self.process.kill()
        self.process.join()


def search(solver: Solver, least: float) -> None:
    """The least effort that comes to each share, with the time of that fit; efforts grow until the budget is spent."""
    left = solver.budget
    for effort in EFFORTS:
        answer = solver.ask(effort)
        if answer is None:
            return
        seconds, objective = answer
        for share in SHARES:
            if share not in solver.effort and objective <= least * (1 + share):
                solver.effort[share] = effort
        if len(solver.effort) == len(SHARES):
            return
        solver.result.spent = max(solver.result.spent, seconds)
        left -= seconds
        if left <= 0:
            solver.result.words = "time-out"
            return
    solver.result.words = "not reached"


def race(name: str, only: list[str], scale: int, repeats: int, budget: float) -> dict[str, Result]:
    """The results of all solvers on the problem of that name; `only` are the peers asked."""
    problem = make(name, scale)
    least = {True: least_objective(problem.scaled()), False: least_objective(problem)}
    results = {peer: Result(words=words) for peer in only if (words := unsuited(peer, problem))}
    asked = [OURS, *(peer for peer in only if peer not in results)]
    solvers = {solver: Solver(name, solver, scale, 10 * budget if solver == OURS else budget) for solver in asked}
    alive = {solver: s for solver, s in solvers.items() if s.wait()}
    for solver, s in alive.items():
        if solver == OURS:
            s.effort = {share: share for share in SHARES}
        else:
            search(s, least[True])
    for _ in range(repeats):
        for share in SHARES:
            for s in alive.values():
                if share in s.effort and s.process.is_alive():
                    answer = s.ask(s.effort[share])
                    if answer is not None:
                        s.result.seconds.setdefault(share, []).append(answer[0])
    for s in alive.values():
        s.process.kill()
    mine = problem.ours(SHARES[-1]).fit(problem.X, problem.y)
    solvers[OURS].result.words = mine.stop_reason_
    assert problem(mine.coef_, mine.intercept_) <= least[False] * (1 + SHARES[-1]) or mine.stop_reason_ != "certified"
    results |= {solver: s.result for solver, s in solvers.items()}
    return {solver: results[solver] for solver in [OURS, *only]}


def unsuited(peer: str, problem: Problem) -> str:
    """Why the peer can't be asked, found by a few rows; "" if it can."""
    few = slice(FEW_ROWS)
    try:
        PEERS[peer](replace(problem, X=problem.X[few], y=problem.y[few]))
    except Unsuited:
        return "unsuited"
    except ImportError:
        return "not installed"
    return ""


def least_objective(problem) -> float:
    """By a fit to a thousandth of what is asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = problem.ours(SHARES[-1] / 1000, max_iter=3000).fit(problem.X, problem.y)
    return problem(model.coef_, model.intercept_)


__all__ = ["OURS", "PEERS", "SHARES", "Result", "race"]
