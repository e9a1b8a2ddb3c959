"""Newton's steps of learning_rate="auto" on dense rows of few columns, as _kernels/auto_newton.pxi takes them, for states that
are read or put together before a block of rows has ended.
"""

from dataclasses import replace

import numpy as np

from fastsgd.auto import BLOCK, BLOCKS, COUNTED, GRADIENT, HEAD, HELD, HELD_INTERCEPT, MANY_WEIGHTS, OWED, PER_ROW, B

TINY = np.finfo(np.float64).tiny  # What is divided by is at least this.


def finished(auto, plan):
    """What an Auto would be if the block ended now, without a change to it."""
    if auto.curvatures is None or not auto.heads[:, OWED].any():
        return auto
    new = replace(auto, second=auto.second.copy(), heads=auto.heads.copy())
    finish(new, plan)
    return new


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # Then there is no step.
def finish(auto, plan):
    """Take the step at the end of a block, in place; then the sums of a block are 0."""
    K, r = len(auto.heads), auto.columns[2]
    U, G = auto.second[:, :, :K].astype(np.float64)
    owed, there = auto.heads[:, OWED], np.append(r > 0, plan.intercept_decay > 0)
    G -= owed * r[:, None] * (plan.l2 * r[:, None] * U + plan.l1 * np.sign(U))
    longer = plan.heads["schedule"][0, 0] if plan.auto else 1.0  # Another schedule may go on from the model.
    for k in np.flatnonzero(owed > 0):
        head, H, g = auto.heads[k], _about(auto, k, auto.columns[0]), np.append(G[:, k], auto.heads[k, GRADIENT])
        step = _solved(_standard(H, head, auto.at["recent"][0], r, plan), g, there)
        gain, curvature = step @ g, H[-1, -1] * head[HEAD["weight"]] / max(head[COUNTED], TINY)
        if 0 < gain < np.inf:
            size = min(step @ step, gain / curvature) if curvature > 0 else step @ step
            step *= longer * min(1.0, _reach(head, plan) / np.sqrt(size))
            auto.second[0, :, k] += step[:-1].astype(auto.second.dtype)
            head[B.start + 1] += step[-1]
    auto.second[1], auto.heads[:, GRADIENT], auto.heads[:, OWED] = 0, 0, 0


@np.errstate(over="ignore", invalid="ignore")
def merge(auto, start, parts, plan):
    """Put together what parts, whose blocks have ended, have made of a start; the columns and heads of `auto` are those of all.

    By how far each part has moved the weights counts by its curvatures, in all columns at once. With the squared error the
    weights are then those to which all rows would have led.
    """
    mean, r = auto.columns[0], auto.columns[2]
    there, d = np.append(r > 0, plan.intercept_decay > 0), len(r)
    states = [start, *parts]
    models = [_model(state, mean, r) for state in states]
    for k in range(len(auto.heads)):
        way, curvatures = np.zeros(d + 1), [_about(state, k, mean) for state in states]
        total = curvatures[0] + sum(part - curvatures[0] for part in curvatures[1:])
        for part, H, model in zip(parts, curvatures[1:], models[1:], strict=True):
            way += _standard(H, part.heads[k], part.at["recent"][0], r, plan) @ (model[:, k] - models[0][:, k])
        M = _standard(total, auto.heads[k], auto.at["recent"][0], r, plan)
        new = models[0][:, k] + _solved(M, way, there)
        auto.second[0, :, k], auto.heads[k, B.start + 1] = new[:-1], new[-1]
        auto.curvatures[k] = np.triu(total)
    auto.second[1], auto.heads[:, GRADIENT], auto.heads[:, OWED] = 0, 0, 0
    auto.origin = mean.copy()
    auto.at["block"] = auto.at["t"] + _block(d, len(auto.heads), auto.at["recent"][0])


def _block(d, K, n):
    """The rows of the block that begins after n rows: see `newton_steps` in the kernel."""
    return max(BLOCK, d * d // PER_ROW, int(n + 0.5) // (BLOCKS // 2 if d * K > MANY_WEIGHTS else BLOCKS))


def _about(auto, k, mean):
    """The curvatures of head k, (d + 1, d + 1), about another origin, `mean`; 0 of columns without a scale."""
    there, by = np.append(auto.columns[2] > 0, True), np.append(mean - auto.origin, 0.0)
    H = np.where(there & there[:, None], auto.curvatures[k], 0.0)
    H, by = H + np.triu(H, 1).T, np.where(there, by, 0.0)
    return H + np.outer(by, by) * H[-1, -1] - np.outer(by, H[-1]) - np.outer(H[-1], by)


def _standard(H, head, n, r, plan):
    """The matrix of a step of one head, of its curvatures H after n rows, in units 1 / r: `standard_curvature` in the kernel."""
    weight, scale = head[HEAD["weight"]], np.append(r, 1.0)
    H = H * (weight / max(head[COUNTED], TINY))
    held = HELD * head[HEAD["h"]] * weight / n
    least = np.append(held + plan.l2 * weight * r**2, HELD_INTERCEPT / HELD * held)
    return H * scale * scale[:, None] + np.diag(least)


def _solved(M, g, there):
    """M^-1 g, of the coordinates that are there; 0 where that can't be found."""
    out = np.zeros(len(g))
    at = np.flatnonzero(there)
    try:
        out[at] = np.linalg.solve(M[np.ix_(at, at)], g[at])
    except np.linalg.LinAlgError:
        return np.zeros(len(g))
    return out if np.isfinite(out).all() else np.zeros(len(g))


def _reach(head, plan):
    """As `reach` in the kernel."""
    if plan.loss.residual and plan.loss.span == 0:
        return np.inf
    return 1.0 if plan.loss.span <= 1 else 2.0 * head[HEAD["far"]] / head[HEAD["weight"]]


def _model(auto, mean, r):
    """Weights (d, K) in units 1 / r and, below them, the intercepts where the columns are at `mean`."""
    K = len(auto.heads)
    W = auto.second[0, :, :K].astype(np.float64) * auto.columns[2][:, None]
    b = auto.heads[:, B.start + 1] + (mean - auto.columns[0]) @ W
    return np.vstack([np.divide(W, r[:, None], out=np.zeros_like(W), where=r[:, None] > 0), b])
