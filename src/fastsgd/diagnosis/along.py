"""Whether what is to be learnt changes along the rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd import drift, engine
from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.finding import Finding
from fastsgd.plan import Plan
from fastsgd.schedules import Auto
from fastsgd.state import State

# So many stretches of rows have a model each, of half of their rows; of fewer rows none is made. Of 20 stretches whose first
# ten are of one kind, and the last of another, one shuffle in 1000 would hardly change anything; of 26 one in 30,000.
BLOCKS, MIN_ROWS = 26, 2000
# The models of wider rows would take too much memory. Words are hashed to half as many by default.
MAX_FEATURES = 2**21
# They are shuffled so often: where rows have a random order, one case in 1000 is above all of these.
SHUFFLES = 999
NEAR, FAR = 2, BLOCKS // 2  # Blocks that lie so close to each other, and so far.
LEAST_GAIN = 0.002  # Of the loss: what a model from nearby must be better by than one from far away.


def changing(case: Case) -> Finding | None:
    """Models of rows nearby in the order of the rows predict better than those of as many rows far away."""
    losses = _losses(case)
    if losses is None or not _beyond_chance(losses):
        return None
    apart = _apart(len(losses))
    near, far = (
        np.median([np.median(column[some]) for column, some in zip(losses.T, where, strict=True)])
        for where in (apart <= NEAR, apart >= FAR)
    )
    gain = float(1 - near / far) if far > 0 else 0.0
    if not gain > LEAST_GAIN:
        return None
    words = (
        f"rows are predicted {gain:.1%} better by models of rows nearby in their order than by models of as many rows far away: "
        "what is to be learnt changes along the rows, or rows of a kind lie together."
    )
    if getattr(case.est, "shuffle", False):
        how = "half_life" if hasattr(case.est, "half_life") else "few passes"
        advice = f"Set shuffle=False and {how}, so that the latest rows count most, and judge by the latest rows."
    else:
        advice = f"Judge by the latest rows. {drift.forgetting(case.est)}"
    advice = (
        f"If the rows are in the order of time: {advice} If they lie in groups: hold whole groups out to judge a model."
    )
    return Finding("changing", words, advice, {"gain": gain, "near": float(near), "far": float(far)})


def by_history(est: Any) -> Finding | None:
    """The loss of rows before they were learnt from rose."""
    progressive = getattr(est, "progressive_", None)
    found = None if progressive is None else drift.rise(progressive)
    if found is None:
        return None
    return Finding("changing", drift.said(found, est), drift.forgetting(est), found._asdict())


def _losses(case: Case) -> NDArray[Any] | None:
    """The mean loss of the model of each block (a row) on the other half of the rows of each block (a column)."""
    table, plan, n = case.table, case.plan, case.table.n_rows
    if n < MIN_ROWS or plan.nu or plan.loss.coupled or not plan.loss.convex or len(case.W) * len(case.b) > MAX_FEATURES:
        return None
    rate = Auto().bind(eta0=1.0, alpha=0.0, power_t=0.0, loss=plan.loss, pass_rows=None, passes=1)
    plan = Plan.of(plan.loss, rate, l1=plan.l1, l2=plan.l2, intercept_decay=plan.intercept_decay)
    ends = np.arange(BLOCKS + 1) * n // BLOCKS
    parts = [
        [table.read(np.arange(ends[i] + half, ends[i + 1], 2), np.float64) for half in (0, 1)] for i in range(BLOCKS)
    ]
    out = np.empty((BLOCKS, BLOCKS))
    for i, (learnt, _) in enumerate(parts):
        run = engine.Run(State.zeros(len(case.W), len(case.b), np.float64, i))
        try:
            engine.train_once(run, plan, learnt, True)
        except engine.Diverged:
            return None
        W, b = run.state.model(plan)
        out[i] = [case.loss(W, b, other) for _, other in parts]
    return out if np.isfinite(out).all() else None


def _apart(n: int) -> NDArray[Any]:
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n)))


def _beyond_chance(losses: NDArray[Any]) -> bool:
    """Mantel's test: whether ranks of losses go with the distance of the blocks, more than in any shuffle of the blocks."""
    n, rng = len(losses), np.random.default_rng(0)
    ranks = losses.argsort(axis=0).argsort(axis=0).astype(float)
    ranks -= ranks.mean(axis=1, keepdims=True)
    apart = _apart(n)
    orders = (rng.permutation(n) for _ in range(SHUFFLES))
    return bool((ranks * apart).sum() > max((ranks[np.ix_(p, p)] * apart).sum() for p in orders))
