"""How several states of learning_rate="auto" become one: the parts, each of which went on from the same start on rows of its own.

All that counts rows or adds up over them is added: rows, weights, moments of the columns, curvatures, squares, judgements, and
what the best constant follows from. A weight is the mean of those of the parts, each by the curvature that its rows have added
to it: h times the squared deviations of the column, so that a part whose rows do not have a feature says nothing of it. That
mean is of weights in units of X, since each part has come to units of its own; intercepts are compared where the mean of all
rows is.

Weights of Newton's steps, on dense rows of few columns, are put together by the curvatures of all columns at once, after each
part has taken the step of its last block (auto_newton.py).

The average of the weights counts step t by t^2, so that the start counts as (t0 / t)^3 at step t. What the steps of a part
have added to it, u in A = (t0 / t)^3 A0 + (1 - (t0 / t)^3) u, is averaged, and counts for the rows of all parts together.

No part has rows that fade: these are learnt one after the other (parallel.py).
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastsgd.auto import (
    ATOMS,
    AVERAGED,
    BEND,
    FLAT,
    HEAD,
    JUDGED,
    LEADER,
    LOST,
    LOST_LESS,
    MEAN_OF_Y,
    MIDDLE,
    MIN_VARIANCE,
    N_ATOMS,
    RECORD,
    SLOPES,
    SPREAD,
    SQUARES,
    UNIT,
    USUAL,
    VISITS,
    B,
    combinations,
)
from fastsgd.auto_centred import centre_alike
from fastsgd.auto_newton import finish
from fastsgd.auto_newton import merge as merge_newton

ADDED = [*(HEAD[name] for name in ("total", "weight", "far", "curve", "slopes", "counted")), *np.r_[LOST, LOST_LESS]]
ROUNDING = 1e-12  # Weights of a target that cancel are a rounding error if less than this share of the largest is left.
HALVINGS = 40  # of the distance in which the best constant is looked for
RENEWAL = 16  # The variances are renewed after at most this many rows, as in _kernels/auto.pxi.


def merge(own, parts, plan):
    """Make of a State, the start, in place what its forks, the parts, come to together; parts without a step do not count."""
    t0 = own.auto.at["t"][0]
    parts = [part for part in parts if part.auto.at["t"][0] > t0]
    if len(parts) < 2:
        if parts:
            own.restore(whole(parts[0], own))
        return
    if not own.auto.sparse:
        _settle(own, plan)
    before, heads = own.auto.at.copy(), own.auto.heads.copy()
    for name in ("t", "weight", "rho", "values", "recent"):
        own.auto.at[name] += sum(part.auto.at[name] - before[name] for part in parts)
    _merge_heads(own.auto, heads, [part.auto for part in parts], before, plan)
    (_merge_csr if own.auto.sparse else _merge_dense)(own, parts, before, heads, plan)
    own.at["t"] = own.auto.at["t"] + 1


def _share(grown, otherwise):
    """The share of each part in what all have added, by coordinate; `otherwise`, where they have added nothing."""
    total = sum(grown)
    some = np.where(total > 0, total, 1.0)
    return [np.where(total > 0, one / some, w) for one, w in zip(grown, otherwise, strict=True)]


def _of_rows(heads, parts):
    """The share of each part in the weight of the rows, by head."""
    weight = HEAD["weight"]
    return _share([part.heads[:, weight] - heads[:, weight] for part in parts], [1.0 / len(parts)] * len(parts))


def _average_of_part(now, before, share):
    """The average of a part's own steps, where in its average, `now`, that of the start, `before`, counts for `share` < 1."""
    return (now - share * before) / (1.0 - share)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # Losses and their squares may be too large for numbers.
def _merge_heads(auto, heads, parts, before, plan):
    new, weight = heads.copy(), HEAD["weight"]
    new[:, ADDED] += sum(part.heads[:, ADDED] - heads[:, ADDED] for part in parts)
    combined = LOST.start + len(combinations(len(auto.candidates)))
    new[:, LEADER] = np.nan_to_num(new[:, LOST.start : combined], nan=np.inf).argmin(axis=1)
    square = HEAD["square"]  # a mean over the rows
    squares = heads[:, square] * before["t"][0]
    squares = squares + sum(part.heads[:, square] * part.at["t"][0] - squares for part in parts)
    new[:, square] = squares / auto.at["t"][0]
    squares = heads[:, SPREAD] ** 2 + sum(part.heads[:, SPREAD] ** 2 - heads[:, SPREAD] ** 2 for part in parts)
    new[:, SPREAD] = np.sqrt(np.maximum(0.0, squares))
    if plan.loss.span > 0:
        known = new[:, HEAD["total"]] > 0
        new[known, HEAD["h"]] = new[known, HEAD["total"]] / new[known, weight]
    share = _of_rows(heads, parts)
    columns = [USUAL, MEAN_OF_Y] if plan.loss.by_mean else [USUAL]  # Means over the rows so far are those of all parts.
    rows = np.where(new[:, weight] > 0, new[:, weight], 1.0)
    sums = heads[:, columns] * heads[:, [weight]]
    sums = sums + sum(part.heads[:, columns] * part.heads[:, [weight]] - sums for part in parts)
    new[:, columns] = sums / rows[:, None]
    if not plan.intercept_decay > 0:
        new[:, FLAT] = 0.0  # No mean of y is kept, from which it would follow.
    elif plan.loss.by_mean:
        new[:, FLAT] = plan.loss.constant_of_mean(new[:, MEAN_OF_Y], auto.at["recent"][0])
    else:
        new[:, FLAT] = sum(w * part.heads[:, FLAT] for w, part in zip(share, parts, strict=True))
        if auto.atoms is not None:
            auto.atoms = _merge_atoms(auto, heads, parts, new, plan.loss)
    new[:, JUDGED] = new[:, FLAT]
    auto.heads = new


def _merge_atoms(auto, heads, parts, new, loss):
    """The targets that all parts have kept, and in `new` the parabolas of the others and the best constants of all rows.

    Parabolas add up to a parabola, and atoms to atoms. What parts have in common, as they began with it, counts once: of atoms
    that became part of several parabolas there is then less than nothing. In that case, and where there are more than ATOMS
    of a head, its atoms become part of the parabola, as in `gather_atoms` of _kernels/auto_constant.pxi.
    """
    each = [_added_atoms(auto, parts, k) for k in range(len(new))]
    width = max(ATOMS, *(len(y) for y, _ in each))
    y, s = np.array([[np.pad(x, (0, width - len(x))) for x in own] for own in each]).transpose(1, 0, 2)
    bend0, middle0 = heads[:, BEND], heads[:, MIDDLE]
    bend = bend0 + sum(part.heads[:, BEND] - bend0 for part in parts)
    moved = sum(part.heads[:, BEND] * (part.heads[:, MIDDLE] - middle0) for part in parts)
    middle = middle0 + np.divide(moved, bend, out=np.zeros(len(new)), where=bend > 0)
    best = _best_constants(new[:, FLAT], y, s, bend, middle, loss, auto.at["recent"][0])
    counts = np.array([len(own) for own, _ in each])
    gathered = (counts > ATOMS) | (s < 0).any(axis=1)
    more = np.where(gathered, _bent(best, y, s, loss), 0.0)
    there = gathered & (bend + more > 0) & np.isfinite(more)
    new[:, FLAT] = best
    new[:, BEND], new[:, MIDDLE] = np.where(there, bend + more, bend), np.where(gathered, best, middle)
    new[:, N_ATOMS] = np.where(gathered, 0, counts)
    return np.where(gathered[:, None, None], 0.0, np.stack([y, s], axis=1)[:, :, :ATOMS])


def _added_atoms(auto, parts, k):
    """Targets of head k and their weights: those of the start and what each part has added, (n,) and (n,)."""
    kept: dict[float, list[float]] = {}
    for of, sign in ((auto, 1 - len(parts)), *((part, 1) for part in parts)):
        n = int(of.heads[k, N_ATOMS])
        for y, s in of.atoms[k, :, :n].T.tolist():
            kept.setdefault(y, []).append(sign * s)
    sums = {y: math.fsum(weights) for y, weights in kept.items()}
    some = [(y, s) for y, s in sums.items() if abs(s) > ROUNDING * max(map(abs, kept[y]))]
    y, s = np.array(some).reshape(-1, 2).T
    return y, s


def _best_constants(c, y, s, bend, middle, loss, n):
    """The constants (K,) of which the losses of targets y of weight s, (K, m), and of parabolas are least together; n: rows.

    From c on they are looked for where the slope falls, as far as in `constant_of_atoms` of _kernels/auto_constant.pxi.
    """

    def slope(c):
        return _slopes(c, y, s, loss) + bend * (c - middle)

    there = np.where(bend > 0, middle, 0.0)
    low, high = np.minimum(np.minimum(y.min(axis=1), there), 0.0), np.maximum(np.maximum(y.max(axis=1), there), 0.0)
    more = np.maximum(high - low, 1.0) * 0.5 * np.log(1.0 + n)
    side = np.nan_to_num(np.sign(slope(c)))
    near, far = c, np.where(side > 0, low - more, np.where(side < 0, high + more, c))
    for _ in range(HALVINGS):
        new = near + 0.5 * (far - near)
        same = np.sign(slope(new)) == side
        near, far = np.where(same, new, near), np.where(same, far, new)
    return near


def _bent(c, y, s, loss):
    """How the slopes of the losses of targets change at constants c, over half of their mean distance to each side."""
    near = 0.5 * (abs(s) * abs(y - c[:, None])).sum(axis=1) / abs(s).sum(axis=1)
    return (_slopes(c + near, y, s, loss) - _slopes(c - near, y, s, loss)) / (2.0 * near)


def _slopes(c, y, s, loss):
    """What the slopes at constants (K,) add up to, over targets of weight s, (K, m); some of these have none."""
    each = loss.slope(np.repeat(c, y.shape[1]), y.ravel()).reshape(y.shape)
    return np.where(s != 0, s * each, 0.0).sum(axis=1)


def _shares_of_start(before, parts, auto):
    """For how much the start counts in the average of each part, and in that of all."""
    t0, t = before["t"][0], auto.at["t"][0]
    return [(t0 / part.at["t"][0]) ** 3 for part in parts], (t0 / t) ** 3


def _averaged(before, of_parts, share, rho_parts, rho):
    """The average of all, from those of the parts; rho: for how much the start counts in these."""
    new = sum(w * _average_of_part(now, before, own) for w, now, own in zip(share, of_parts, rho_parts, strict=True))
    return rho * before + (1.0 - rho) * new


# ---------------------------------------------------------------- dense rows
def _settle(state, plan):
    """Pay the penalty that is owed, and bring the averages up to date, as `settle_auto` in _kernels/auto.pxi."""
    auto, K = state.auto, len(state.b)
    if auto.at["t"][0] == 0:
        return
    for rule, (W, A) in enumerate(_pairs(state)):
        W[:, :K], A[:, :K] = auto.settled(W, A, rule, plan.l1, plan.l2)
        auto.heads[:, HEAD["owed"] + rule] = 0
    auto.at["last"] = auto.at["recent"]


def _pairs(state):
    """Weights and averages of both rules, or of the first."""
    return [(state.W, state.A)] + ([] if _alone(state.auto) else [tuple(state.auto.second)])


def _intercepts(state):
    """Their intercepts, and the averages of these, (K,) each, which can be written to."""
    heads = state.auto.heads[:, B]
    return [(state.b, state.b_avg)] + ([] if _alone(state.auto) else [(heads[:, 1], heads[:, 2])])


def _alone(auto):
    """Whether there is no second rule, or one of Newton's steps, which are put together in a way of their own."""
    return auto.second is None or auto.curvatures is not None


def _merge_dense(own, parts, before, heads, plan):
    auto, K = own.auto, len(own.b)
    start = None if auto.curvatures is None else replace(auto, heads=heads, columns=auto.columns, at=before)
    for part in parts:
        _settle(part, plan)
        if start is not None:
            finish(part.auto, plan)
    grown, columns = _merged_moments(auto, [part.auto for part in parts], before)
    share = _of_rows(heads, [part.auto for part in parts])
    by = _share([Q[:, None] * part.auto.heads[:, HEAD["h"]] for Q, part in zip(grown, parts, strict=True)], share)
    ridge = plan.l2 * K / auto.heads[:, HEAD["h"]].sum() if plan.l2 > 0 else 0.0
    v = np.where(columns[1] > 0, columns[1] / auto.at["weight"][0] + ridge, 0.0)
    columns[2] = np.where(v > MIN_VARIANCE, 1.0 / np.sqrt(np.where(v > MIN_VARIANCE, v, 1.0)), 0.0)
    inward = np.where(columns[2] > 0, 1.0 / np.where(columns[2] > 0, columns[2], 1.0), 0.0)[:, None]
    rhos, states = _shares_of_start(before, [part.auto for part in parts], auto), [own, *parts]

    def of_states(rule, average):
        """Weights in units of X, and intercepts where the mean of all rows is, of the start and of each part."""
        W = [_pairs(state)[rule][average][:, :K] * state.auto.columns[2][:, None] for state in states]
        means = [columns[0] - state.auto.columns[0] for state in states]
        return W, [_intercepts(state)[rule][average] + m @ w for state, m, w in zip(states, means, W, strict=True)]

    for rule in range(len(_pairs(own))):
        (_, *W), (_, *b) = of_states(rule, 0)
        (A0, *A), (b_avg0, *b_avg) = of_states(rule, 1)
        weights, averages = _pairs(own)[rule]
        intercepts, averaged = _intercepts(own)[rule]
        averages[:, :K] = _averaged(A0, A, by, *rhos) * inward
        averaged[:] = _averaged(b_avg0, b_avg, share, *rhos)
        weights[:, :K] = sum(w * x for w, x in zip(by, W, strict=True)) * inward
        intercepts[:] = sum(w * x for w, x in zip(share, b, strict=True))
    auto.columns, t = columns, auto.at["t"][0]
    auto.at["last"], auto.at["due"] = auto.at["recent"], t + max(1, min(RENEWAL, int(t) // 32))
    if start is not None:
        merge_newton(auto, start, [part.auto for part in parts], plan)


def _merged_moments(auto, parts, before):
    """The squared deviations that each part has added, and `columns` of all, without the third row."""
    w0, (m0, Q0) = before["weight"][0], auto.columns[:2]
    weight, mean, squares, grown = w0, m0, Q0, []
    for part in parts:
        w, (m, Q) = part.at["weight"][0], part.columns[:2]
        own = w - w0
        m = m0 + (m - m0) * (w / own)  # The mean of its own rows.
        Q = np.maximum(0.0, Q - Q0 - (m - m0) ** 2 * (w0 * own / w))
        grown.append(Q)
        both = weight + own
        squares = squares + Q + (m - mean) ** 2 * (weight * own / both)
        weight, mean = both, mean + (m - mean) * (own / both)
    return grown, np.array([mean, squares, np.zeros(len(mean))])


# ---------------------------------------------------------------- CSR
class Touched(NamedTuple):
    """The records of a part on CSR that are not as those of the start.

    Attributes
    ----------
    at : int array, or slice
        Of the features.
    records : array
    """

    at: Any
    records: np.ndarray


def compact(part, own):
    """Leave of a part, in place, what it does not have in common with the start: then it can be merged, but not trained."""
    records = part.auto.records
    changed = (records[:, VISITS::RECORD] != own.auto.records[:, VISITS::RECORD]).any(axis=1)
    changed[part.auto.centre[0]] = True  # These have begun anew, and may have got as far as before.
    at = np.flatnonzero(changed)
    part.auto.records = Touched(at, records[at])
    part.W = part.W[:0]  # It is not used.


def whole(part, own):
    """A part as it was before `compact`."""
    if isinstance(part.auto.records, Touched):
        (at, records), part.auto.records = part.auto.records, own.auto.records.copy()
        part.auto.records[at], part.W = records, own.W
    return part


def _merge_csr(own, parts, before, heads, plan):
    auto, autos = own.auto, [part.auto for part in parts]
    centre_alike(auto, heads, autos)
    touched = [a.records if isinstance(a.records, Touched) else Touched(slice(None), a.records) for a in autos]
    for k in range(len(own.b)):
        curvatures = [part.heads[k, HEAD["curve"]] / part.at["t"][0] for part in autos]
        _merge_records(auto.records[:, k * RECORD : (k + 1) * RECORD], touched, k, curvatures)
    if plan.intercept_decay > 0:
        curve = HEAD["curve"]
        grown = [np.maximum(0.0, part.heads[:, curve] - heads[:, curve]) for part in autos]
        share, rhos = _share(grown, _of_rows(heads, autos)), _shares_of_start(before, autos, auto)
        own_b, *of_parts = [x[:, B] for x in (heads, *(part.heads for part in autos))]
        auto.heads[:, B] = sum(w[:, None] * b for w, b in zip(share, of_parts, strict=True))
        averages = [b[:, AVERAGED] for b in of_parts]
        auto.heads[:, B.start + AVERAGED] = _averaged(own_b[:, AVERAGED], averages, share, *rhos)


def _in_units(records, unit):
    """Records (n, 8) in float64, of values in other units; those of features that have none yet are 0."""
    new, was = records.astype(np.float64), records[:, UNIT].astype(np.float64)
    by = np.divide(unit, was, out=np.ones(len(was)), where=was > 0)[:, None]
    new[:, : AVERAGED + 1] /= by
    new[:, [SQUARES]] *= by**2
    return new


def _merge_records(own, touched, k, curvatures):
    """Put together the records of head k in place, of which `own` (n_features, 8) are those of the start.

    curvatures : the mean curvature of the rows of each part
    """
    parts = [(at, records[:, k * RECORD : (k + 1) * RECORD]) for at, records in touched]
    unit = own[:, UNIT].astype(np.float64)
    for at, records in parts:
        unit[at] = np.where(unit[at] > 0, unit[at], records[:, UNIT])
    start, total, new = _in_units(own, unit), np.zeros(len(own)), np.zeros((len(own), RECORD))
    for (at, records), curvature in zip(parts, curvatures, strict=True):
        one, first = _in_units(records, unit[at]), start[at]
        n0, added = first[:, VISITS], np.maximum(0.0, one[:, SQUARES : SLOPES + 1] - first[:, SQUARES : SLOPES + 1])
        by = added[:, 0] * max(curvature, np.finfo(np.float64).tiny)
        total[at] += by
        new[at, SQUARES : SLOPES + 1] += added
        rho = (n0 / np.where(one[:, VISITS] > 0, one[:, VISITS], 1.0)) ** 3
        average = (one[:, AVERAGED] - rho * first[:, AVERAGED]) / np.where(rho < 1, 1.0 - rho, 1.0)
        new[at, :AVERAGED] += by[:, None] * (one[:, :AVERAGED] - first[:, :AVERAGED])
        new[at, AVERAGED] += by * np.where(added[:, 1] > 0, average, 0.0)
    some = np.flatnonzero((total > 0) & (new[:, VISITS] > 0))
    first, new, by = start[some], new[some], total[some, None]
    rho = ((first[:, VISITS]) / (first[:, VISITS] + new[:, VISITS])) ** 3
    own[some, :AVERAGED] = first[:, :AVERAGED] + new[:, :AVERAGED] / by
    own[some, AVERAGED] = rho * first[:, AVERAGED] + (1.0 - rho) * new[:, AVERAGED] / by[:, 0]
    own[some, SQUARES : SLOPES + 1] = first[:, SQUARES : SLOPES + 1] + new[:, SQUARES : SLOPES + 1]
    own[some, UNIT] = unit[some]
