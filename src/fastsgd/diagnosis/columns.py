"""Columns that make a model hard to train, or its score worth nothing."""

from functools import cached_property
from typing import Any

import numpy as np

from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.finding import Finding

SIZE_RATIO = 100.0  # The largest column is this many times the smallest, by the root mean square of what is not 0.
OFFSET_RATIO = 10.0  # The mean of a column is this many times its standard deviation.
# The share of the variance of y, or the area under the curve, that one column gives by itself.
LEAK, LEAK_AUC = 0.98, 0.99
# The share is also that of the rows without so many, but at most a tenth of them, that are farthest from the column's median: a
# single row that is far off in both has all of the variance.
MAX_OUTLIERS = 10
OUTLIER_VARIANCE = (
    0.99  # So much of a column's variance in MAX_OUTLIERS values or fewer: the others hardly differ beside them.
)
MIN_OUTLIER_ROWS = 10 * MAX_OUTLIERS
# And of the rows that it ranks highest as many are of the rarer class: of rare ones an area says little.
MIN_PRECISION = 0.9
MAX_LEAKS = 0.1  # Of the columns; where more do, y is easy, and nothing leaks.
LEAK_CANDIDATES = 5
MIN_VALUES = 3  # A column of fewer values that are not 0 is like many others by chance.
EPS = float(np.sqrt(np.finfo(float).eps))


class Columns:
    """Moments of the columns of a case, each in units of its largest value, `unit`, so that none over- or underflows."""

    def __init__(self, case: Case) -> None:
        self.case = case
        X = case.raw[case.rows]
        self.X = X.astype(np.float64)
        self.sparse = case.table.sparse
        n = X.shape[0]
        high, low = self._extreme("max"), self._extreme("min")
        self.constant = high == low
        self.unit = np.maximum(np.maximum(high, -low), 1e-300)
        self.X = self.X.multiply(1.0 / self.unit).tocsr() if self.sparse else self.X / self.unit
        self.count = np.asarray((self.X != 0).sum(axis=0)).ravel()
        squares = self.X.multiply(self.X) if self.sparse else self.X * self.X
        total = np.asarray(squares.sum(axis=0)).ravel()
        self.mean = np.asarray(self.X.mean(axis=0)).ravel()
        self.size = np.sqrt(total / np.maximum(self.count, 1))
        self.std = np.sqrt(np.maximum(total / n - self.mean**2, 0.0))
        self.farthest = np.maximum(high / self.unit - self.mean, self.mean - low / self.unit)
        names = getattr(case.est, "feature_names_in_", None)
        if names is None:
            from fastsgd.sources.reading import first_names

            names = first_names(getattr(case.est, "reading_", {}))
        self.names = [*names, *range(len(names), X.shape[1])]

    def _extreme(self, which: str) -> Any:
        found = getattr(self.X, which)(axis=0)
        return np.asarray(found.toarray() if self.sparse else found).ravel()

    def said(self, columns: Any, most: int = 5) -> str:
        """Names of columns, in words."""
        some = [f"{self.names[j]!r}" if isinstance(self.names[j], str) else f"{self.names[j]}" for j in columns[:most]]
        more = f" and {len(columns) - most} others" if len(columns) > most else ""
        return ", ".join(some) + more

    # ------------------------------------------------------------ each kind
    def badly_scaled(self) -> Finding | None:
        """Columns of very different sizes, or far from 0. Where no step length depends on them, only a penalty does."""
        case = self.case
        if case.of_steps.get_params().get("standardize") or (case.any_scale and not (case.plan.l1 or case.plan.l2)):
            return None
        used = np.flatnonzero(self.size > 0)
        if not len(used):
            return None
        size = self.size * self.unit
        order = used[np.argsort(size[used])]
        small, large = order[0], order[-1]
        with np.errstate(over="ignore"):
            ratio = float(size[large] / size[small])
        moving = used[~self.constant[used]]
        offset = abs(self.mean[moving]) / np.maximum(self.std[moving], 1e-300)
        far = moving[offset > OFFSET_RATIO] if not (self.sparse or case.any_scale) else moving[:0]
        if ratio < SIZE_RATIO and not len(far):
            return None
        words = []
        numbers: dict[str, Any] = {"ratio": ratio}
        if ratio >= SIZE_RATIO:
            why = "a penalty weighs on them very differently" if case.any_scale else "no step size suits both"
            words.append(
                f"column {self.said([large])} has values of about {size[large]:.3g}, column {self.said([small])} of "
                f"{size[small]:.3g}: {why}"
            )
            numbers |= {"largest": self.names[large], "smallest": self.names[small]}
        if len(far):
            words.append(
                f"the values of {self.said(far)} are far from 0 for how much they vary, up to "
                f"{offset.max():.3g} standard deviations"
            )
            numbers["far_from_0"] = [self.names[j] for j in far]
        advice = "Set standardize=True, scale X with StandardScaler, or take learning_rate='auto'."
        if case.any_scale:
            first = "Set standardize=True, or scale" if case.sgd else "Scale"
            advice = f"{first} X with StandardScaler: the penalty is on the coefficients as they are."
        return Finding("badly_scaled", "; ".join(words) + ".", advice, numbers)

    def constants(self) -> Finding | None:
        """Columns of one value; on CSR those without any value are usual, and not counted."""
        found = np.flatnonzero(self.constant & ((self.count > 0) | (not self.sparse)))
        if not len(found):
            return None
        words = f"{'column' if len(found) == 1 else 'columns'} {self.said(found)} of one value, of which nothing can be learnt."
        return Finding("constant_columns", words, "Leave them out.", {"columns": [self.names[j] for j in found]})

    @cached_property
    def outliers(self) -> Finding | None:
        """Columns of which a few values are so far from the others that these hardly differ."""
        n = self.X.shape[0]
        if n < MIN_OUTLIER_ROWS:
            return None
        some = MAX_OUTLIERS * self.farthest**2 >= OUTLIER_VARIANCE * n * self.std**2
        columns, words = [], ""
        for j in np.flatnonzero(some & ~self.constant & (self.count > MAX_OUTLIERS)):
            column = self._column(j)
            off = (column - self.mean[j]) ** 2
            order = np.argsort(-off, kind="stable")
            few = int(np.searchsorted(np.cumsum(off[order]), OUTLIER_VARIANCE * off.sum())) + 1
            rest = column[order[few:]]
            if few > MAX_OUTLIERS or rest.min() == rest.max():
                continue
            if not columns:
                far = column[order[0]] * self.unit[j]
                have = "has" if few == 1 else "have"
                words = f"{few} of the {n:,} values of column {self.said([j])}, such as {far:.3g}, {have}"
            columns.append(j)
        if not columns:
            return None
        more = f"; {len(columns) - 1} more columns are like it" if len(columns) > 1 else ""
        return Finding(
            "outliers",
            f"{words} {OUTLIER_VARIANCE:.0%} of its variance, beside which the others hardly differ{more}.",
            "Correct these values, or leave their rows out, if they are mistakes; else clip the column, or take its logarithm.",
            {"columns": [self.names[j] for j in columns]},
        )

    def duplicates(self) -> Finding | None:
        """Columns that are others times a number."""
        some = np.flatnonzero(~self.constant & (self.count >= MIN_VALUES) & (self.size > 0))
        if self.outliers is not None:  # Beside a value that is far from the others, those of any two columns are alike.
            far = set(self.outliers.numbers["columns"])
            some = np.array([j for j in some if self.names[j] not in far], dtype=np.intp)
        if len(some) < 2:
            return None
        weights = np.random.default_rng(0).standard_normal((2, self.X.shape[0]))
        norm = np.sqrt(self.count * self.size**2)
        found = np.asarray((self.X.T @ weights.T)[some]) / norm[some, None]
        found *= np.where(found[:, :1] < 0, -1.0, 1.0)
        order = np.argsort(found[:, 0], kind="stable")
        groups: dict[int, list[int]] = {}
        first = order[0]
        for here in order[1:]:
            if np.allclose(found[first], found[here], rtol=EPS, atol=EPS) and self._same(some[first], some[here]):
                groups.setdefault(int(some[first]), [int(some[first])]).append(int(some[here]))
            else:
                first = here
        if not groups:
            return None
        each = [sorted(group) for group in groups.values()]
        words = "; ".join(f"columns {self.said(group)} are the same but for a factor" for group in each[:3])
        more = f", and {len(each) - 3} more such groups" if len(each) > 3 else ""
        return Finding(
            "duplicate_columns",
            f"{words}{more}: their coefficients can't be told apart.",
            "Keep one of each.",
            {"columns": [[self.names[j] for j in group] for group in each]},
        )

    def _same(self, i: int, j: int) -> bool:
        a, b = (self._column(k) / (np.sqrt(self.count[k]) * self.size[k]) for k in (i, j))
        return bool(np.allclose(a, b, atol=EPS) or np.allclose(a, -b, atol=EPS))

    def _column(self, j: int) -> Any:
        column = self.X[:, [j]]
        return np.asarray(column.toarray() if self.sparse else column).ravel()

    def leaks(self) -> Finding | None:
        """Columns that by themselves give y away."""
        case = self.case
        # Of hashed words nearly all columns have no value: they are no candidates, nor counted by MAX_LEAKS.
        some = np.flatnonzero(self.count > MIN_VALUES)
        d = len(some)
        if d < 2 or case.est._task is None:
            return None
        y, code = case.table.y, case.table.code
        classes = case.est._task == "classifier"
        if code is None:
            targets = y if not classes else (y > y.mean(axis=0)).astype(float)
        else:
            targets = (code[:, None] == np.arange(len(case.b))).astype(float)
        share = _share(self.X, self.mean, self.std, targets, classes)
        candidates = some[np.argsort(-share[some], kind="stable")[: max(LEAK_CANDIDATES, int(2 * MAX_LEAKS * d))]]
        found = []
        of_two = classes and targets.shape[1] == 1
        for j in candidates:
            if of_two:
                gives = _auc(self._column(j), targets[:, 0])
                leaks = gives > LEAK_AUC
            else:
                gives = share[j]
                leaks = gives > LEAK and _central_share(self._column(j), targets, classes) > LEAK
            if leaks:
                found.append((j, float(gives)))
        if not found or len(found) > max(1, MAX_LEAKS * d):
            return None
        columns = [j for j, _ in found]
        what = "an area under the curve" if of_two else "a share of the variance of y"
        return Finding(
            "leaking_columns",
            f"{self.said(columns)} alone almost gives y, with {what} of {found[0][1]:.4g}: the score says nothing of new rows if "
            "that is not known of them.",
            f"Leave {self.said(columns)} out if it follows from y, or is only known after y.",
            {"columns": [self.names[j] for j in columns], "share": found[0][1]},
        )


def _share(X: Any, mean: Any, std: Any, targets: Any, classes: bool) -> Any:
    """The share of the variance that each column and y have in common: of numbers the square of their correlation, of
    classes how much of the column's variance is between them."""
    n = len(targets)
    variance = np.maximum(std**2, 1e-300)
    if classes and targets.shape[1] > 1:
        count = np.maximum(targets.sum(axis=0), 1)
        means = np.asarray(X.T @ targets) / count
        return (count * (means - mean[:, None]) ** 2).sum(axis=1) / n / variance * (std > 0)
    t = targets - targets.mean(axis=0)
    along = np.asarray(X.T @ t) / n
    both = variance[:, None] * t.var(axis=0)
    return np.divide(along**2, both, out=np.zeros(both.shape), where=(both > 0) & (std > 0)[:, None]).max(axis=1)


def _central_share(column: Any, targets: Any, classes: bool) -> float:
    """The share that a column has without the rows that are farthest from its median."""
    n = len(column)
    rows = np.argsort(abs(column - np.median(column)), kind="stable")[: n - min(MAX_OUTLIERS, n // 10)]
    x = column[rows, None] - column[rows].mean()
    return float(_share(x, x.mean(axis=0), x.std(axis=0), targets[rows], classes)[0])


def _auc(column: Any, y: Any) -> float:
    """The area under the curve of a column, or of its negative; 0 where fewer than MIN_PRECISION of the rows that it ranks
    highest, as many as there are of the rarer class, are of that, and where that has at most MIN_VALUES rows."""
    from scipy.stats import rankdata

    positive = y > 0
    n = int(positive.sum())
    if not MIN_VALUES < n < len(y) - MIN_VALUES:
        return 0.0
    ranks = rankdata(column)
    area = float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))
    rare = positive if 2 * n <= len(y) else ~positive
    up = (area >= 0.5) == (rare is positive)
    highest = np.argsort(-ranks if up else ranks, kind="stable")[: int(rare.sum())]
    return max(area, 1 - area) if rare[highest].mean() >= MIN_PRECISION else 0.0
