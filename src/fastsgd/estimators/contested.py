"""alpha="auto" and half_life="auto": what they go with, and which of the values becomes the model's.

In a single pass, as in calls of `partial_fit`, models of all values learn side by side (`fastsgd.contest`). Where further passes
follow, which half_life="auto" does not allow, models that leave rows out choose the value before the training.
"""

import copy
from time import perf_counter
from typing import NamedTuple

import numpy as np

from fastsgd import optimizers, several
from fastsgd.contest import Contest
from fastsgd.decide import most_passes
from fastsgd.judge import MODELS_BYTES, STATE_ARRAYS, folds_of, rows_left_out
from fastsgd.packs import Pack, Without
from fastsgd.run import Moment
from fastsgd.sources.arrays import Table
from fastsgd.sums import LossSums
from fastsgd.threads import Threads, n_threads

# The values of each parameter that may be "auto", and which of them a model begins with. A half-life of 0 is none.
VALUES = {"alpha": (1e-6, 1e-5, 1e-4, 1e-3), "half_life": (0.0, 1e6, 1e5, 1e4)}
FIRST = {"alpha": 1e-4, "half_life": 0.0}
# Of the judgement: rows after which a row counts half, where the value is to follow what changes.
JUDGEMENT_HALF_LIFE = {"half_life": max(VALUES["half_life"])}
ADVICE = {"alpha": "give alpha a number", "half_life": "give half_life a number, or None"}
# Where several passes follow, models of all values make so many to choose one; only the better half goes on to the second. With
# learning_rate="auto" one model makes a pass before, from which all of these go on: on CSR it hardly pays a penalty in its first.
PASSES = 2
BUDGET_SHARE = 0.5  # of max_seconds, which choosing takes at most


def auto_parameter(est):
    """The name of the parameter that is "auto", None if none is."""
    found = [name for name in VALUES if isinstance(getattr(est, name, None), str)]
    if len(found) > 1:
        raise ValueError(
            f"{found[0]}='auto' and {found[1]}='auto' do not go together, as that is a model for each pair: {ADVICE[found[0]]}, "
            f"or {ADVICE[found[1]].removeprefix('give ')}."
        )
    return found[0] if found else None


def check(est):
    """Refuse parameters by which models can't be compared, or that are about several models themselves."""
    name = auto_parameter(est)
    if name is None:
        return
    optimizer = optimizers.get(est.optimizer)
    wrong = {
        "penalty=None, which has no strength": name == "alpha" and est.penalty is None,
        f"batch_size={est.batch_size!r}, as models learn row by row": est.batch_size != 1,
        f"optimizer={est.optimizer!r}, which searches along the line": getattr(optimizer, "line_search", False),
        f"n_init={est.n_init}, whose models are chosen by their objectives": est.n_init > 1,
        "n_bootstrap and n_splits, whose models are of one training": est.n_bootstrap or est.n_splits,
        "parallel='hogwild', whose threads share one model": est.parallel == "hogwild",
    }
    for what, there in wrong.items():
        if there:
            raise ValueError(
                f"{name}='auto' does not go with {what}: {ADVICE[name]}, or leave the other at its default."
            )


def refuse(est, what):
    """Refuse what is of one training, if this is one of several models."""
    name = auto_parameter(est)
    if name is not None:
        raise ValueError(f"{what} one training, and {name}='auto' is a contest of several models: {ADVICE[name]}.")


def value_of(est, name):
    """That of a parameter: as it is given, or the one that was chosen, or that a model begins with."""
    given = getattr(est, name)
    if not isinstance(given, str):
        return given
    state = vars(est).get("_state")
    found = None if state is None else chosen(state, name)
    return FIRST[name] if found is None else found


def half_life_of(est):
    """That of the rows of a model, None where none fades."""
    return value_of(est, "half_life") or None


def plans_of(est, name, table, passes, partial):
    """The plan of each value."""
    found = []
    for value in VALUES[name]:
        one = copy.copy(est)
        setattr(one, name, value or None)
        found.append(one._plan(table, passes, partial))
    return found


def chosen(state, name):
    """The value of a parameter by which a state is trained, None where it was given."""
    contest = state.contest
    return None if contest is None or contest.parameter != name else contest.value


def half_life_chosen(state):
    """As `chosen`, of the half-life; infinite where no rows fade."""
    found = chosen(state, "half_life")
    return np.inf if found == 0 else found


def settled(est, state):
    """Whether `partial_fit` has no other model to train than that of the state, and no contest to begin or to end."""
    name, contest = auto_parameter(est), state.contest
    if name is None or contest is None:
        return name is None and contest is None
    return contest.parameter == name and not len(contest.running) and not contest.half_life


def over(state):
    """The contest of a state that is given other coefficients, as a copy that is over; None where there is none."""
    contest = state.contest and state.contest.copy()
    if contest is not None:
        contest.end()
    return contest


def contest_of(name, value=None):
    """A Contest that begins, of copies of a model that has this value; None: that of FIRST."""
    leader = VALUES[name].index(FIRST[name] if value is None else value)
    return Contest.of(name, VALUES[name], leader, JUDGEMENT_HALF_LIFE.get(name, 0.0))


def begin(est, table, state):
    """(plan, plans, Chosen or None) of a fit that begins; in a single pass the state has a contest, whose plans they are."""
    name, passes = auto_parameter(est), max(1, est._passes)
    if name is None:
        return est._plan(table, passes, False), (), None
    plans, one = plans_of(est, name, table, passes, False), contest_of(name)
    most = most_passes(table.n_rows) if est.max_iter == "auto" else est.max_iter
    if most == 1:
        state.contest = one
        return plans[one.leader], plans, None
    one.end()
    found = choose(est, plans, table, state, one, most) if most and not table.empty else None
    state.contest = one
    return plans[one.leader], (), found


def go_on(est, table, state):
    """The plans of the models of a contest, for a call of `partial_fit`; none where there is no contest, or it is over."""
    name, contest = auto_parameter(est), state.contest
    if name is None:
        state.contest = None
        return ()
    if contest is None or contest.parameter != name:
        contest = state.contest = contest_of(name)
    if not len(contest.running) and contest.half_life:  # What is to be learnt may change after a fit, too.
        contest = state.contest = contest_of(name, contest.value)
    if not len(contest.running):
        return ()
    plans, key = est._checked[1], (name, table.sparse)
    if key not in plans:
        plans[key] = plans_of(est, name, table, 1, True)
    return plans[key]


class Chosen(NamedTuple):
    """How the choice by models that leave rows out has ended.

    Attributes
    ----------
    seconds : float
        How long it took.
    model : State or None
        The best of the models so far, where Ctrl-C or an error of a source came before the end.
    error : BaseException or None
        That error.
    """

    seconds: float
    model: object
    error: object = None

    def ended(self, run, plan):
        """The state of a run becomes that model; returned is its moment."""
        contest = run.state.contest
        run.state.restore(self.model)
        run.state.contest = contest
        return Moment(run.state, plan)


class Trial:
    """Models of all values: for each part of the rows one that leaves it out, whose number is part * n + the value's place.

    Parameters
    ----------
    left_out : callable
        () -> list of Table, the rows that are left out, part by part; called once, when they are needed.
    n_parts, n : int
        Parts, and values.
    """

    def __init__(self, left_out, n_parts, n):
        self.left_out, self.n_parts, self.n, self.losses, self.parts = left_out, n_parts, n, {}, None

    def score(self, pack):
        """Minus the mean loss of the rows that a model leaves out."""
        self.parts = self.left_out() if self.parts is None else self.parts
        number = int(pack.numbers[0])
        with np.errstate(over="ignore", invalid="ignore"):
            loss = pack.mean(LossSums.of(self.parts[number // self.n], pack.plan, *pack.moment.model).values)
        self.losses[number] = np.inf if pack.diverged or not np.isfinite(loss).all() else float(loss.mean())
        return -loss

    def drop(self, passed, packs, done):
        """The numbers of the models that leave: those of the worse half of the values."""
        left = {number % self.n for number in packs}
        best = sorted(left, key=self.mean)[: -(-len(left) // 2)]
        return [number for number in packs if number % self.n not in best]

    def mean(self, value):
        """The mean loss of the models of a value, each as it was last scored."""
        return np.mean([self.losses.get(part * self.n + value, np.inf) for part in range(self.n_parts)])

    def best(self, trained, first):
        """The value whose models lost least, of those that were trained to the end."""
        ended = {number % self.n for number, one in trained.items() if one.reason != "dropped"}
        least = min(map(self.mean, ended))
        return first if first in ended and self.mean(first) == least else min(ended, key=self.mean)


def choose(est, plans, table, state, contest, most):
    """Have models that begin from this state, and leave rows out, say who leads the contest, and so the value: a Chosen.

    plans : of each value; most : passes that the training makes at most
    """
    began, n, start = perf_counter(), len(plans), state.copy()
    if est.standardize:
        est._standardise(table, start, plans[contest.leader])
    folds = folds_of(table.n_rows, isinstance(table, Table), start.W.nbytes * n)
    trial = Trial(lambda: rows_left_out(table, folds, start), folds.left_out, n)
    starts, passes, how = [start] * folds.left_out, most, {"shuffle": est.shuffle, "n_folds": folds.n}
    how["threads"] = Threads(n_threads(est.n_jobs))

    def trained(packs, passes, **more):
        left = None if est.max_seconds is None else max(0.0, BUDGET_SHARE * est.max_seconds + began - perf_counter())
        return several.train(packs, table, [], passes=passes, max_seconds=left, **how, **more)

    packs = []
    try:
        if plans[0].auto:
            shared = plans[contest.leader]
            packs = [Pack(start.copy(), shared.having(model=part), Without(part)) for part in range(folds.left_out)]
            found = trained(packs, 1)
            if any(one.reason != "max_iter" for one in found.values()):
                struck = any(one.reason == "interrupted" for one in found.values())
                return Chosen(perf_counter() - began, found[0].state if struck else None)
            starts, passes = [found[part].state for part in range(folds.left_out)], most - 1
        # Each has its state twice, now and as it was at the end of a pass: where these are large, one value comes after another.
        large = 2 * STATE_ARRAYS * start.W.nbytes * n > MODELS_BYTES
        found = {}
        for values in [[i] for i in range(n)] if large else [range(n)]:
            packs = [
                Pack(one.copy(), plans[i].having(model=part * n + i), Without(part), passes=one.epoch)
                for part, one in enumerate(starts)
                for i in values
            ]
            found |= trained(packs, min(passes, PASSES), score=trial.score, drop=trial.drop)
            leader, packs = trial.best(found, contest.leader), []
            found = {k: one if k % n == leader else one._replace(kept=None) for k, one in found.items()}
            struck = any(one.reason == "interrupted" for one in found.values())
            if struck:
                break
    except Exception as error:
        if not packs or packs[0].state.t == 1:
            raise
        pack = packs[contest.leader if len(packs) > folds.left_out else 0]
        pack.end()
        return Chosen(perf_counter() - began, pack.state, error)
    finally:
        table.scaling = None
    contest.leader = leader
    return Chosen(perf_counter() - began, found[leader].state if struck else None)
