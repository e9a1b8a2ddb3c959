"""Whether the scales of columns are why a training fails, and what steps do once they are mended."""

import copy

import numpy as np

from fastsgd.diagnosis import steepness
from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.columns import Columns
from fastsgd.diagnosis.finding import Finding
from fastsgd.sources.scaling import Scaling

MAX_PASSES = 20  # Of each training that is tried.
# Scales are to blame if the estimator's own steps leave less than this share of the way on standardised columns, where they were
# too long; where they were too short, or it was stopped too early, of what is left of it as it is.
LEARNS, MENDED = 0.9, 0.5
# And if no steps leave less than this share of the way on columns as they are, but some do on standardised ones: of what is left
# of it both as it is and with the best steps that share MENDED.
LEFT = 0.05
SHARES = (1.0, 0.3, 0.1)  # Of 1 / L, the longest step that the curvature allows: the lengths of steps that are tried.


def blamed(case: Case, columns: Columns, scaled: Finding, name: str) -> Finding | None:
    """The finding, with what its advice takes, if the scales of columns are why the training came to `name`; else None."""
    if case.any_scale:
        return None
    mended = _standardised(case, columns)
    passes = int(np.clip(len(vars(case.est).get("history_", ())), 3, MAX_PASSES))
    as_it_is = _left(case, case.here)
    values, W, b = mended.trained(None, passes, None, mended.zeros(), average=case.est.average)
    own = _left(mended, mended.value(W, b)) if np.isfinite(values).all() else np.inf
    if own < (MENDED * as_it_is if name == "still_falling" else LEARNS):
        return scaled
    if not own < 1 + LEFT:  # Steps are too long whatever the scales.
        return None
    best = _best_left(mended, passes)
    if max(best, LEFT) > MENDED * as_it_is or max(best, LEFT) > MENDED * _best_left(case, passes):
        return None
    return _with_steps(mended, scaled)


def _standardised(case: Case, columns: Columns) -> Case:
    """The case on columns of mean 0 (but of sparse ones) and standard deviation 1."""
    table = copy.copy(case.table)
    spread = np.where(columns.std > 0, columns.std, 1.0) * columns.unit
    table.scaling = Scaling(np.zeros(len(spread)) if case.table.sparse else columns.mean * columns.unit, 1.0 / spread)
    mended = copy.copy(case)
    mended.table = table.read(np.arange(table.n_rows), np.float64)
    vars(mended)["best"] = mended.solved(mended.table)
    return mended


def _left(case: Case, value: float) -> float:
    """What is left of the way from zero weights to the best model."""
    return (value - case.best[0]) / max(case.start - case.best[0], 1e-300)


def _best_left(case: Case, passes: int) -> float:
    """What is left after some passes from zero weights with steps of a length that the curvature allows."""
    plan = case.plan
    if plan.slots in ((), ("m",)):
        rows = min(plan.batch_size, case.table.n_rows)
        longest = 1.0 / steepness.largest(case, 1.0 / rows if rows < case.table.n_rows else 0.0)
    else:  # They are about as long as eta0, whatever the slopes.
        longest = 10 * case.eta
    found = [case.trained(share * longest, passes, None, case.zeros(), average=False)[0][-1] for share in SHARES]
    return _left(case, min(found))


def _with_steps(mended: Case, scaled: Finding) -> Finding:
    """The finding, with the steps that standardised columns take, as the estimator's own are made for others."""
    from fastsgd.estimators import told
    from fastsgd.run import Run
    from fastsgd.state import State

    est = mended.of_steps
    run = Run(State.zeros(len(mended.W), len(mended.b), np.float64, 0))
    run.zero = mended.start
    eta0 = told.advice(est, run, est._plan(mended.table, est._passes, False), mended.table, True)
    if eta0 is None:
        return scaled
    rate = "" if mended.plan.schedule.has_eta0 else "learning_rate='invscaling' and "
    advice = (
        f"Set standardize=True and {rate}eta0={eta0:.2g}, as steps made for these columns are too short then, or take "
        "learning_rate='auto'."
    )
    return Finding("badly_scaled", scaled.words, advice, dict(scaled.numbers, standardize=True, eta0=eta0))
