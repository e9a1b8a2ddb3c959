"""What a training under way consists of: one line for each field of `engine.Run`, and what goes together in it."""

import math
from dataclasses import replace

import numpy as np

from fastsgd import engine, history
from fastsgd.auto import Auto
from fastsgd.beside import Beside
from fastsgd.contest import Contest
from fastsgd.gathered import Gathered
from fastsgd.judge import Judge
from fastsgd.persist.rules import Array, History, Maybe, Record, Several, Value
from fastsgd.persist.stretches import Stretches
from fastsgd.persist.tables import LONE_STATE, STATE
from fastsgd.persist.values import brief, expect, pack, unpack
from fastsgd.sources._check import same_bytes
from fastsgd.sources.arrays import START


class Each:
    """A tuple, each of its values by a rule."""

    def __init__(self, *rules):
        self.rules = rules

    def put(self, name, value, parts):
        for i, (rule, one) in enumerate(zip(self.rules, value, strict=True)):
            rule.put(f"{name}.{i}", one, parts)

    def take(self, name, parts):
        return tuple(rule.take(f"{name}.{i}", parts) for i, rule in enumerate(self.rules))


class Epochs(History):
    """The history.History of which `history_` is made."""

    def put(self, name, value, parts):
        super().put(name, value.view(), parts)

    def take(self, name, parts):
        rows = super().take(name, parts)
        return history.History(rows, len(rows)) if len(rows) else history.History()


class Counters:
    """Of each stopping rule, in their order: the value that it compares with, and the epochs that it has waited."""

    def put(self, name, value, parts):
        parts.values[name] = [[pack(float(rule.best)), rule.waited] for rule in value]

    def take(self, name, parts):
        return [self.checked(name, one) for one in expect(parts.values.pop(name, None), list, name)]

    def checked(self, name, one):
        if type(one) is list and len(one) == 2:
            best, waited = unpack(one[0]), one[1]
            if type(best) is float and type(waited) is int and waited >= 0:
                return best, waited
        raise ValueError(f"{name} must be pairs of a number and a count, found {brief(one)}")


class Step:
    """gathered.Gathered, but for what follows from the rest."""

    table = {
        "G": Array("W", ("d", "S")),
        "carry": Array("float64", ("d", "S"), optional=True),
        "gb": Array("float64", ("K",)),
        "met": Array("int64", ("met",)),
    }
    rows = Value(int, 0, 2**62)

    def put(self, name, value, parts):
        rows, met = value.count.tolist()
        self.rows.put(f"{name}.rows", rows, parts)
        for field, rule in self.rules(name):
            array = getattr(value, field)
            rule.put(f"{name}.{field}", array[:met] if field == "met" else array, parts)

    def rules(self, name):
        """The table; steps of several models need not have met the same number of features."""
        return (self.table | {"met": replace(self.table["met"], shape=(f"{name}.met",))}).items()

    def take(self, name, parts):
        rows = self.rows.take(f"{name}.rows", parts)
        found = {field: rule.take(f"{name}.{field}", parts) for field, rule in self.rules(name)}
        met, d = found.pop("met"), len(found["G"])
        if len(met) > d or (len(met) and not (met.min() >= 0 and met.max() < d and len(np.unique(met)) == len(met))):
            raise ValueError(f"{name}.met must be of the {d} features, each once")
        out = Gathered(found["G"], len(found["gb"]))
        vars(out).update(found)
        out.count[:] = rows, len(met)
        out.met[: len(met)], out.is_met[met] = met, 1
        return out


JUDGE = Record(
    Judge,
    {
        "states": Several(LONE_STATE),
        "gathered": Several(Step()),
        "before": Array("float64", ("groups", 2, "judged"), optional=True),
        "epoch": Value(int, -1, 2**62),
        "diverged": Value(bool),
    },
)

RUN = Record(
    engine.Run,
    {
        "state": STATE,
        "rules": Counters(),
        "epochs": Epochs(history.HISTORY),
        "good": Maybe(STATE),
        "began": Maybe(Each(Array("W", ("d", "S")), Array("float64", ("K",)))),
        "before": Maybe(Each(Array("W", ("d", "S")), Array("float64", ("K",)))),
        "judged": Value(bool),
        "zero": Value(float, finite=False),
        "seconds": Value(float, 0.0),
        "start": Maybe(Each(Value(int, 0, 2**62), Value(int, 0, 2**31 - 2), Value(int, 0, 2**62))),
        "done": Value(int, 0, 2**62),
        "sums": Array("float64", (2, "K")),
        "gathered": Maybe(Step()),
        "judge": Maybe(JUDGE),
        "progressive": Stretches(),
    },
)


def check(run, plan, table, fresh):
    """A ValueError unless this run can go on with that plan and table; `fresh` is the run that would else begin.

    The kernels take for granted what `State.prepare` and `engine.one_pass` do at the start of a pass.
    """
    state, new = run.state, fresh.state
    begun = run.start != START
    gathers = begun and not (plan.plain or plan.auto or plan.line_search or table.empty)
    rows = 0 if run.gathered is None else run.gathered.count[0]
    needs = {
        "weights of the shape and dtype of the data": (state.W.shape, state.W.dtype, state.b.shape)
        == (new.W.shape, new.W.dtype, new.b.shape),
        "a counter for each stopping rule": len(run.rules) == len(fresh.rules),
        "a pass that has begun": not begun or state.epoch > 0 or table.empty,
        "what is gathered of a step": (run.gathered is not None) == gathers,
        "fewer rows in a step than a batch": rows <= run.done
        and (rows < plan.batch_size or math.isinf(plan.batch_size)),
        "a last good state": run.good is not None,
        "the models beside it": _numbers_of(state.beside) == _numbers_of(new.beside)
        and (run.good is None or _numbers_of(run.good.beside) == _numbers_of(new.beside)),
        "the models of its contest": _values_of(state.contest) == _values_of(new.contest)
        and (run.good is None or _values_of(run.good.contest) == _values_of(new.contest)),
        "the models that leave rows out": _fits_judge(run, plan, fresh.judge, begun, gathers),
    }
    for what, there in needs.items():
        if not there:
            raise ValueError(f"it does not have {what}")
    if begun and not table.empty:
        prepared = state.copy()
        prepared.prepare(fresh.plan_of(plan, state), table.sparse)
        for name, value in vars(prepared).items():
            if not _same(value, getattr(state, name)):
                raise ValueError(f"its state does not have the {name} that these parameters need")


def _fits_judge(run, plan, new, begun, gathers):
    """Whether what judges the passes is as that of a fit that begins, or is there after its first rows."""
    if run.judge is None or new is None:
        return run.judge is new
    states, gathered, of_fit = run.judge.states, run.judge.gathered, 0 if new.folds is None else new.folds.left_out
    shapes = {(other.W.shape, other.W.dtype, other.b.shape) for other in (run.state, *states)}
    rows = [one.count[0] for one in gathered]
    return (
        len(states) in ({of_fit} if begun else {0, of_fit})
        and len(shapes) == 1
        and len(gathered) in ({len(states)} if gathers else {0, len(states)})
        and all(n <= run.done and (n < plan.batch_size or math.isinf(plan.batch_size)) for n in rows)
    )


def _values_of(contest):
    return None if contest is None else (contest.parameter, contest.values.tolist())


def _numbers_of(beside):
    return None if beside is None else (len(beside.resampled), len(beside.parts))


def _same(a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return same_bytes(np.ascontiguousarray(a), np.ascontiguousarray(b))
    if isinstance(a, Auto) and isinstance(b, Auto):
        return all(_same(x, getattr(b, name)) for name, x in vars(a).items())
    if isinstance(a, Beside) and isinstance(b, Beside):
        states = zip(a.states, b.states, strict=True)
        return all(_same(x, getattr(y, name)) for one, y in states for name, x in vars(one).items())
    if isinstance(a, Contest) and isinstance(b, Contest):
        return _values_of(a) == _values_of(b) and a.leader == b.leader and a.running.tolist() == b.running.tolist()
    return type(a) is type(b) and a == b
