"""Sums over rows in the order of a score, in bounded memory, and what follows of them: AUC, and calibration by deciles."""

import numpy as np

EXACT_ROWS = 1 << 20  # So many rows are kept one by one; beyond them bins of the score are.
GROUPS = 10


class Ranked:
    """Quantities of rows by a score: row by row, or, of many rows, added up in bins.

    Half of the edges of bins are quantiles of the rows so far, and half are numbers of few digits on the whole axis, so that rows
    that come later and are quite others are told apart, too.

    Parameters
    ----------
    exact_rows : int
        How many rows are kept one by one.
    """

    def __init__(self, exact_rows=EXACT_ROWS):
        self.exact_rows, self.rows, self.kept, self.edges = exact_rows, 0, [], None

    def add(self, score, *quantities):
        """Rows of these scores (n,), with these quantities (n,)."""
        self.rows += len(score)
        if self.edges is not None:
            self.sums += _binned(self.edges, score, quantities)
            return
        self.kept.append(np.vstack([score, *quantities]))
        if self.rows > self.exact_rows:
            score, *quantities = np.concatenate(self.kept, axis=1)
            some = np.quantile(score, np.linspace(0.0, 1.0, max(2, self.exact_rows >> 5)), method="nearest")
            self.edges, self.kept = np.unique([*some, *_axis(self.exact_rows >> 5)]), []
            self.sums = _binned(self.edges, score, quantities)

    def finish(self):
        """The quantities (n_quantities, n) in the order of the score, those of equal scores, or of a bin, added up."""
        if self.edges is not None:
            return self.sums[:, self.sums.any(axis=0)]
        if not self.kept:
            return np.zeros((0, 0))
        score, *quantities = np.concatenate(self.kept, axis=1)
        _, place = np.unique(score, return_inverse=True)
        return np.array([np.bincount(place, one) for one in quantities])


def _binned(edges, score, quantities):
    place = np.searchsorted(edges, score, "right")
    return np.array([np.bincount(place, one, len(edges) + 1) for one in quantities])


def _axis(n):
    """About n numbers of both signs, each at the same ratio to the next, as far as scores differ that matter."""
    steps = np.geomspace(1e-9, 1e6, n // 2)
    return np.concatenate([-steps, [0.0], steps])


def area(positive, negative):
    """The area under the ROC curve, of the weights of rows in the order of the score; None where one class has none."""
    if not positive.sum() > 0 or not negative.sum() > 0:
        return None
    below = np.cumsum(negative) - negative / 2  # of equal scores half
    return float(positive @ below / positive.sum() / negative.sum())


def calibration(weight, hits, predicted):
    """Groups of about the same weight in the order of the predicted probability, at most GROUPS.

    Parameters
    ----------
    weight, hits, predicted : arrays
        In that order: sums of s, of s y and of s p.

    Returns
    -------
    list of dict
        Of each group its `weight`, the mean `predicted` probability, and the `observed` share.
    """
    middle = np.cumsum(weight) - weight / 2
    group = np.minimum(GROUPS * middle / max(weight.sum(), 1e-300), GROUPS - 1).astype(int)
    sums = np.array([np.bincount(group, one, GROUPS) for one in (weight, predicted, hits)]).T
    return [
        {"weight": float(w), "predicted": float(p / w), "observed": float(h / w)} for w, p, h in sums.tolist() if w > 0
    ]


def calibration_error(groups):
    """The mean difference between the predicted probability and the observed share, over groups by their weight."""
    off = [one["weight"] * abs(one["predicted"] - one["observed"]) for one in groups]
    return sum(off) / sum(one["weight"] for one in groups) if groups else None
