"""max_iter="auto": what it goes with, and what judges the passes of a fit."""

from fastsgd import optimizers
from fastsgd.decide import most_passes
from fastsgd.judge import Judge, Judged, WithJudge, folds_of
from fastsgd.sources.arrays import Table
from fastsgd.threads import Threads, n_threads


def check(est):
    """Refuse parameters that say themselves when passes end, or that lay them out beforehand."""
    optimizer = optimizers.get(est.optimizer)
    rate = est._schedule(optimizer)
    wrong = {
        f"learning_rate={est.learning_rate!r}, whose steps are laid out over the passes": getattr(rate, "passes", 1)
        is None,
        f"optimizer={est.optimizer!r}, whose passes are one step each": getattr(optimizer, "line_search", False),
        f"stopping={est.stopping!r}, another rule of when to stop": est.stopping is not None,
        f"n_init={est.n_init}, whose models are chosen by their objectives": est.n_init > 1,
    }
    for what, there in wrong.items():
        if there:
            raise ValueError(
                f"max_iter='auto' does not go with {what}: give max_iter a number, or leave the other at its default."
            )


def judge_of(est, problem, plan, state):
    """The Judge of a fit with max_iter="auto"; None where one pass is made of which nothing is known."""
    held_out = problem.held_out
    if held_out is None:
        if most_passes(problem.table.n_rows) == 1:
            return None
        judge = Judge(folds_of(problem.table.n_rows, isinstance(problem.table, Table), state.W.nbytes))
        judge.by_left_out(problem.table, plan, state)
        return judge
    judge = Judge()
    if est.validation_scoring in (None, "loss"):
        judge.by_rows(held_out.table, plan)
    else:
        judge.by_score(est._score(held_out, plan))
    return judge


def rules_of(judge):
    """The stopping rules of such a fit."""
    return [] if judge is None else [Judged(judge).fresh()]


def lanes_of(est, lanes, judge, table):
    """The way to do rounds, of which the judge has a part."""
    return lanes if judge is None else WithJudge(lanes, judge, table.sparse, Threads(n_threads(est.n_jobs)))
