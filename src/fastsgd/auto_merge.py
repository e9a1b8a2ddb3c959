"""What learning_rate="auto" keeps, of several states that went on from one on rows of their own, put together.

All that counts rows or adds up over them is added: rows, weights, moments of the columns, curvatures, squares, judgements. A
weight is the mean of those of the parts, each by the curvature that its rows have added to it: h times the squared deviations
of the column, so that a part whose rows do not have a feature says nothing of it. That mean is of weights in units of X,
since each part has come to units of its own; intercepts are compared where the mean of all rows is.

The average of the weights counts step t by t^2, so that the start counts as (t0 / t)^3 at step t. What the steps of a part
have added to it, u in A = (t0 / t)^3 A0 + (1 - (t0 / t)^3) u, is averaged, and counts for the rows of all parts together.
"""

from typing import Any, NamedTuple

import numpy as np

from fastsgd.auto import B_AVG, FLAT, HEAD, LOST, MEAN_OF_Y, MIN_VARIANCE, RECORD, SPREAD, USUAL, B, squares_of
from fastsgd.auto_centred import centre_alike

ADDED = [HEAD[name] for name in ("total", "weight", "far", "curve")]
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
    for name in ("t", "weight", "rho", "values"):
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


def _merge_heads(auto, heads, parts, before, plan):
    new, weight = heads.copy(), HEAD["weight"]
    new[:, ADDED] += sum(part.heads[:, ADDED] - heads[:, ADDED] for part in parts)
    new[:, LOST] += sum(part.heads[:, LOST] - heads[:, LOST] for part in parts)
    squares = heads[:, SPREAD] ** 2 + sum(part.heads[:, SPREAD] ** 2 - heads[:, SPREAD] ** 2 for part in parts)
    new[:, SPREAD] = np.sqrt(np.maximum(0.0, squares))
    if plan.loss.span > 0:
        known = new[:, HEAD["total"]] > 0
        new[known, HEAD["h"]] = new[known, HEAD["total"]] / new[known, weight]
    share = _of_rows(heads, parts)
    columns = [USUAL, MEAN_OF_Y] if plan.loss.affine else [USUAL]  # Means over the rows so far are those of all parts.
    rows = np.where(new[:, weight] > 0, new[:, weight], 1.0)
    sums = heads[:, columns] * heads[:, [weight]]
    sums = sums + sum(part.heads[:, columns] * part.heads[:, [weight]] - sums for part in parts)
    new[:, columns] = sums / rows[:, None]
    if not plan.loss.affine:
        new[:, MEAN_OF_Y] = sum(w * part.heads[:, MEAN_OF_Y] for w, part in zip(share, parts, strict=True))
    new[:, FLAT] = _averaged(
        heads[:, FLAT], [part.heads[:, FLAT] for part in parts], share, *_starts(before, parts, auto)
    )
    auto.heads = new


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
    """Pay the penalty that is owed, and bring the average up to date, as `settle_auto` in _kernels/auto.pxi."""
    auto, K = state.auto, len(state.b)
    t, last = auto.at["t"][0], auto.at["last"][0]
    if t == 0:
        return
    owed, r = auto.heads[:, HEAD["owed"]], auto.columns[2][:, None]
    U = state.W[:, :K].astype(np.float64)
    U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * plan.l1) / (1.0 + owed * r**2 * plan.l2)
    A = state.A[:, :K] + (U - state.A[:, :K]) * (1.0 - (last / t) ** 3)
    state.W[:, :K], state.A[:, :K] = U, A
    auto.heads[:, HEAD["owed"]], auto.at["last"] = 0, t


def _merge_dense(own, parts, before, heads, plan):
    auto, K = own.auto, len(own.b)
    for part in parts:
        _settle(part, plan)
    grown, columns = _merged_moments(auto, [part.auto for part in parts], before)
    share = _of_rows(heads, [part.auto for part in parts])
    by = _share([Q[:, None] * part.auto.heads[:, HEAD["h"]] for Q, part in zip(grown, parts, strict=True)], share)
    ridge = plan.l2 * K / auto.heads[:, HEAD["h"]].sum() if plan.l2 > 0 else 0.0
    v = np.where(columns[1] > 0, columns[1] / auto.at["weight"][0] + ridge, 0.0)
    columns[2] = np.where(v > MIN_VARIANCE, 1.0 / np.sqrt(np.where(v > MIN_VARIANCE, v, 1.0)), 0.0)
    starts = _starts(before, [part.auto for part in parts], auto)

    def out(state, name):
        """Weights in units of X."""
        return getattr(state, name)[:, :K] * state.auto.columns[2][:, None]

    def at_mean(state, name, b):
        """The intercepts where the mean of all rows is."""
        return getattr(state, b) + (columns[0] - state.auto.columns[0]) @ out(state, name)

    inward = np.where(columns[2] > 0, 1.0 / np.where(columns[2] > 0, columns[2], 1.0), 0.0)[:, None]
    W = sum(w * out(part, "W") for w, part in zip(by, parts, strict=True))
    A = _averaged(out(own, "A"), [out(part, "A") for part in parts], by, *starts)
    b = sum(w * at_mean(part, "W", "b") for w, part in zip(share, parts, strict=True))
    b_avg = _averaged(at_mean(own, "A", "b_avg"), [at_mean(part, "A", "b_avg") for part in parts], share, *starts)
    own.W[:, :K], own.A[:, :K], own.b, own.b_avg = W * inward, A * inward, b, b_avg
    auto.columns, t = columns, auto.at["t"][0]
    auto.at["last"], auto.at["due"] = t, t + max(1, min(RENEWAL, int(t) // 32))


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
    changed = (records[:, 3::RECORD] != own.auto.records[:, 3::RECORD]).any(axis=1)
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
        auto.heads[:, B] = sum(w * part.heads[:, B] for w, part in zip(share, autos, strict=True))
        auto.heads[:, B_AVG] = _averaged(heads[:, B_AVG], [part.heads[:, B_AVG] for part in autos], share, *starts)


def _merge_records(own, touched, k, curvatures):
    """Put together the records of head k in place, of which `own` (n_features, 4) are those of the start.

    curvatures : the mean curvature of the rows of each part
    """
    total, added, rows, W, new = np.zeros((5, len(own)))
    odd, most = [], np.zeros(len(own))
    for (at, records), curvature in zip(touched, curvatures, strict=True):
        one, first = records[:, k * RECORD : (k + 1) * RECORD], own[at]
        (S, n), (S0, n0) = squares_of(one[:, 2:]), squares_of(first[:, 2:])
        S, visits = np.maximum(0.0, S - S0), np.maximum(0.0, n - n0)
        start = (n0 / np.where(n > 0, n, 1.0)) ** 3
        now, before = one[:, 1].astype(np.float64), first[:, 1]
        by = S * max(curvature, np.finfo(np.float64).tiny)
        total[at] += by
        added[at] += S
        rows[at] += visits
        W[at] += by * (one[:, 0].astype(np.float64) - first[:, 0])
        new[at] += by * np.where(visits > 0, (now - start * before) / np.where(start < 1, 1.0 - start, 1.0), 0.0)
        odd.append((one[:, 2] < 0) | (first[:, 2] < 0))
    some = np.flatnonzero((total > 0) & (rows > 0))
    first, by = own[some], total[some]
    S0, n0 = squares_of(first[:, 2:])
    start = (n0 / (n0 + rows[some])) ** 3
    own[some, 0] = first[:, 0] + W[some] / by
    own[some, 1] = start * first[:, 1] + (1.0 - start) * new[some] / by
    own[some, 2], own[some, 3] = S0 + added[some], n0 + rows[some]
    # Of values whose squares are no numbers, a record is in other units: that of the part which has seen most rows of the
    # feature stands for all.
    for (at, records), strange in zip(touched, odd, strict=True):
        if strange.any():
            features = np.arange(len(own))[at][strange]
            one = records[strange, k * RECORD : (k + 1) * RECORD]
            visits = squares_of(one[:, 2:])[1]
            better = visits > most[features]
            own[features[better], 2:] = one[better, 2:]
            most[features[better]] = visits[better]
