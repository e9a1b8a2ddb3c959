"""What learning_rate="auto" keeps, of several states that went on from one on rows of their own, put together.

All that counts rows or adds up over them is added: rows, weights, moments of the columns, curvatures, squares, judgements. A
weight is the mean of those of the parts, each by the curvature that its rows have added to it: h times the squared deviations
of the column, so that a part whose rows do not have a feature says nothing of it. That mean is of weights in units of X,
since each part has come to units of its own; intercepts are compared where the mean of all rows is.

None of them has rows that fade: where these do, they are learnt one after the other (parallel.py).

The average of the weights counts step t by t^2, so that the start counts as (t0 / t)^3 at step t. What the steps of a part
have added to it, u in A = (t0 / t)^3 A0 + (1 - (t0 / t)^3) u, is averaged, and counts for the rows of all parts together.
"""

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
RENEWAL = 16  # The variances are renewed after at most this many rows, as in _kernels/auto.pxi.


def merge(own, parts, plan):
    """Make of a State in place what forks of it make together; those without a step say nothing."""
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
    """The share of each part in what they have added, by coordinate; `otherwise` where they have added nothing."""
    total = sum(grown)
    some = np.where(total > 0, total, 1.0)
    return [np.where(total > 0, one / some, w) for one, w in zip(grown, otherwise, strict=True)]


def _of_rows(heads, parts):
    """The share of each part in the weight of the rows, by head."""
    weight = HEAD["weight"]
    return _share([part.heads[:, weight] - heads[:, weight] for part in parts], [1.0 / len(parts)] * len(parts))


def _new(now, before, share):
    """What the steps of a part have added to an average of which `before` counts for `share` (less than 1)."""
    return (now - share * before) / (1.0 - share)


@np.errstate(over="ignore", invalid="ignore")  # Losses and their squares may be too large for numbers.
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
    if plan.loss.by_mean:
        new[:, FLAT] = plan.loss.constant_of_mean(new[:, MEAN_OF_Y], auto.at["recent"][0])
    else:
        new[:, FLAT] = sum(w * part.heads[:, FLAT] for w, part in zip(share, parts, strict=True))
        if auto.atoms is not None:
            new[:, BEND] += sum(part.heads[:, BEND] - heads[:, BEND] for part in parts)
            auto.atoms = np.array([_merge_atoms(auto, parts, new, k, plan.loss) for k in range(len(new))])
    new[:, JUDGED] = new[:, FLAT]
    auto.heads = new


def _merge_atoms(auto, parts, heads, k, loss):
    """The targets that all parts have kept of head k; or a parabola in their place, if they are too many."""
    kept: dict[float, float] = {}
    for of, sign in ((auto, 1 - len(parts)), *((part, 1) for part in parts)):
        n = int(of.heads[k, N_ATOMS])
        for y, s in of.atoms[k, :, :n].T:
            kept[y] = kept.get(y, 0.0) + sign * s
    y, s = np.array([(y, s) for y, s in kept.items() if s > 0]).reshape(-1, 2).T
    if len(y) > ATOMS or heads[k, BEND] > 0:
        c = heads[k, MEAN_OF_Y] = heads[k, FLAT]
        near = 0.5 * (s @ abs(y - c)) / s.sum()
        if near > 0:
            heads[k, BEND] += max(0.0, s @ (loss.slope(c + near, y) - loss.slope(c - near, y)) / (2.0 * near))
        y = s = np.zeros(0)
    heads[k, N_ATOMS] = len(y)
    return np.pad([y, s], ((0, 0), (0, ATOMS - len(y))))


def _starts(before, parts, auto):
    """What the start counts for in the average of each part, and in that of all."""
    t0, t = before["t"][0], auto.at["t"][0]
    return [(t0 / part.at["t"][0]) ** 3 for part in parts], (t0 / t) ** 3


def _averaged(before, of_parts, share, starts, start):
    """The average of all, of those of the parts."""
    new = sum(w * _new(now, before, rho) for w, now, rho in zip(share, of_parts, starts, strict=True))
    return start * before + (1.0 - start) * new


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
    """Whether the first rule has no other beside it, or Newton's steps, which are put together in a way of their own."""
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
    starts, states = _starts(before, [part.auto for part in parts], auto), [own, *parts]

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
        averages[:, :K] = _averaged(A0, A, by, *starts) * inward
        averaged[:] = _averaged(b_avg0, b_avg, share, *starts)
        weights[:, :K] = sum(w * x for w, x in zip(by, W, strict=True)) * inward
        intercepts[:] = sum(w * x for w, x in zip(share, b, strict=True))
    auto.columns, t = columns, auto.at["t"][0]
    auto.at["last"], auto.at["due"] = auto.at["recent"], t + max(1, min(RENEWAL, int(t) // 32))
    if start is not None:
        merge_newton(auto, start, [part.auto for part in parts], plan)


def _merged_moments(auto, parts, before):
    """The squared deviations that each part has added, and `columns` of all, the third row of which is still to be made."""
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
    """The records of a state of CSR rows that are not those of the state that it began as.

    Attributes
    ----------
    at : int array, or slice
        Of the features.
    records : array
    """

    at: Any
    records: np.ndarray


def compact(part, own):
    """Leave of a fork what it does not share with its beginning, in place: it can then be merged, and not trained."""
    records = part.auto.records
    changed = (records[:, VISITS::RECORD] != own.auto.records[:, VISITS::RECORD]).any(axis=1)
    changed[part.auto.centre[0]] = True  # These have begun anew, and may have got as far as before.
    at = np.flatnonzero(changed)
    part.auto.records = Touched(at, records[at])
    part.W = part.W[:0]  # It is not used.


def whole(part, own):
    """A fork as it was before `compact`."""
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
        share, starts = _share(grown, _of_rows(heads, autos)), _starts(before, autos, auto)
        own_b, *of_parts = [x[:, B] for x in (heads, *(part.heads for part in autos))]
        auto.heads[:, B] = sum(w[:, None] * b for w, b in zip(share, of_parts, strict=True))
        averages = [b[:, AVERAGED] for b in of_parts]
        auto.heads[:, B.start + AVERAGED] = _averaged(own_b[:, AVERAGED], averages, share, *starts)


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
