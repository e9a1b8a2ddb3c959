"""From covariances to tables, text and intervals; and in words, what they are of and when not to trust them."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import expit
from scipy.stats import norm, t

from fastsgd import penalties
from fastsgd.estimators.names import names_of
from fastsgd.solvers.covariance import Kind, margin_variances

COLUMNS = "coef", "se", "z_value", "p_value", "ci_lower", "ci_upper"
# Intervals of 95% that are off by this many standard errors cover 94.3%, and 94.9% if by the aim.
MAX_DISTANCE, AIMED_DISTANCE = 0.25, 0.1
# Intervals of 95% are expected to cover at least this on average over the coefficients, and at least this for each: one with a
# bias of half a standard error covers 92%, with three quarters 88%.
MEAN_COVERAGE, LEAST_COVERAGE = 0.92, 0.88
MIN_CLUSTERS = 20  # With fewer clusters the sandwich is too small.
MIN_SUPPORT = 6  # A column that varies in fewer rows than this has a sandwich that takes these for exact.
# With fewer rows for each coefficient intervals are too short, but for squared error by the model.
MIN_ROWS_PER_COLUMN = 10
NAMED = 10  # A warning names this many columns.
BLOCK_VALUES = 1 << 18  # Intervals of predictions are worked out for this many values at once.


@dataclass
class Covariances:
    """Those of all heads, and how they were worked out.

    Attributes
    ----------
    each : list of solvers.covariance.Covariance
    kind : Kind
    """

    each: list
    kind: Kind

    def distribution(self, one, loss):
        """(SciPy's distribution of an estimate over its standard error, degrees of freedom)."""
        df = one.n_rows - one.parameters if loss.quadratic else np.inf
        df = df if one.n_clusters is None else one.n_clusters - 1.0
        return (norm if df == np.inf else t(df)), df

    def rows(self, est):
        """(coefficients, standard errors, distribution) of each head."""
        W, b = est._coefficients()
        for h, one in enumerate(self.each):
            coef = np.append(b[h], W[:, h]) if est.fit_intercept else W[:, h]
            yield coef, np.sqrt(np.maximum(np.diag(one.matrix), 0.0)), self.distribution(one, est._loss())[0]

    def attrs(self, est):
        """What the numbers are, in words and numbers."""
        one, loss = self.each[0], est._loss()
        df = self.distribution(one, loss)[1]
        return {
            "interval_of": interval_of(est),
            "covariance": self.named(one),
            "loss": loss.name,
            "n_rows": one.n_rows,
            "df": df if np.isfinite(df) else None,
            "dispersion": one.dispersion if np.isfinite(one.dispersion) else None,
        }

    def fit_line(self, est):
        """In words, how the fit ended."""
        distance = max(one.distance for one in self.each)
        return f"Fit: {est.stop_reason_}, dual gap {est.dual_gap_:.3g}; at most {distance:.2g} standard errors from the optimum"

    def named(self, one):
        """The kind of a head, in words."""
        if not self.kind.robust:
            return "model-based (inverse Hessian)"
        name = "HC1" if self.kind.corrected else "HC0"
        if one.n_clusters is None:
            return f"robust ({name})"
        return f"robust to clusters ({one.n_clusters}{'' if self.kind.corrected else ', without the factor for few'})"

    def warnings(self, est):
        """In words, why not to trust the numbers."""
        unknown = np.logical_or.reduce([~one.identified[1:] for one in self.each])
        if unknown.any():
            yield (
                f"the rows do not identify the coefficients of {listed(est, unknown)}, which are constant, or "
                "which other columns add up to "
                "(one-hot columns of a category do with the intercept: leave one out). Their standard errors are nan."
            )
        if self.kind.robust:
            rare = np.logical_or.reduce([one.support < MIN_SUPPORT for one in self.each]) & ~unknown
            if rare.any():
                yield (
                    f"so few rows tell of the coefficients of {listed(est, rare)} that their robust standard errors are too "
                    f"small: have {MIN_SUPPORT} rows at least in which a column differs from its mean as much as in the others, "
                    "or leave it out."
                )
        distance = max(one.distance for one in self.each)
        if not distance <= MAX_DISTANCE or est.stop_reason_ not in ("certified", "estimated", "precision"):
            gap = est.dual_gap_ if np.isfinite(est.dual_gap_) else est.tol or 0.0
            tol = min(est.tol or np.inf, gap * min(1.0, AIMED_DISTANCE / max(distance, AIMED_DISTANCE)) ** 2)
            yield (
                f"the coefficients are up to {distance:.2g} standard errors away from the optimum (stop_reason_ is "
                f"{est.stop_reason_!r}, dual_gap_ {est.dual_gap_:.2g}), and so are the intervals. Fit with tol={tol:.0e} and "
                "enough max_iter; or these are not the rows of the fit."
            )
        if any(one.separated for one in self.each):
            yield (
                "the classes are separated by the columns of X: without a penalty the coefficients have no optimum, and these "
                "standard errors mean nothing. Set penalty='l2'."
            )
        fewest = min((one.n_clusters for one in self.each if one.n_clusters is not None), default=MIN_CLUSTERS)
        if fewest < MIN_CLUSTERS:
            yield f"with {fewest} clusters the intervals are too short: have at least {MIN_CLUSTERS}."
        yield from self._few_rows(est)
        if not self.kind.robust and getattr(est, "_class_weight", None) is not None:
            yield (
                "class_weight gives rows a weight that was not observed, which the standard errors by the model take for rows: "
                "pass robust=True."
            )

    def _few_rows(self, est):
        one = min(self.each, key=lambda one: one.n_rows / one.parameters)
        by_model = not self.kind.robust and est._loss().quadratic  # These are exact where errors are normal.
        covered = [expected_coverage(one.bias) for one in self.each if not one.separated]
        mean, least = (min(map(of, covered), default=1.0) for of in (np.mean, np.min))
        if mean < MEAN_COVERAGE or least < LEAST_COVERAGE:
            yield (
                f"{one.n_rows} rows are few for {one.parameters:.4g} coefficients of this size: these are biased by up to "
                f"{max(np.max(one.bias) for one in self.each):.2g} standard errors, so that intervals of 95% cover about "
                f"{100 * mean:.3g}% on average, and {100 * least:.3g}% where the bias is largest. Leave columns "
                "out, or have more rows."
            )
        elif one.n_rows < MIN_ROWS_PER_COLUMN * one.parameters and not by_model:
            yield (
                f"{one.n_rows} rows are few for {one.parameters:.4g} coefficients: the intervals are too short. Leave columns "
                "out, or have more rows."
            )


class Table:
    """The table of an estimator.

    Parameters
    ----------
    est : estimator
        Fitted.
    found : Covariances or Spread
    level : float
    """

    def __init__(self, est, found, level):
        self.est, self.found, self.level = est, found, check_level(level)
        names = names_of(est)
        self.index = ["intercept", *names] if est.fit_intercept else names
        self.rows = [_tests(*one, level) for one in found.rows(est)]

    @property
    def level_of_heads(self):
        """(what a head is, the label of each), where there are several."""
        if not self.est._several:
            return None
        if self.est._task == "classifier":
            return "class", list(self.est.classes_)
        return "target", list(range(len(self.rows)))

    @property
    def attrs(self):
        """What the numbers are, in words and numbers."""
        return self.found.attrs(self.est) | {"confidence_level": self.level}

    def frame(self):
        """A DataFrame; without pandas a structured array."""
        try:
            import pandas as pd
        except ImportError:
            return self._array()
        values, index = np.concatenate(self.rows), pd.Index(self.index, name=None)
        if (several := self.level_of_heads) is not None:
            index = pd.MultiIndex.from_product([several[1], self.index], names=[several[0], "feature"])
        frame = pd.DataFrame(values, index, COLUMNS)
        frame.attrs = self.attrs
        return frame

    def _array(self):
        several = self.level_of_heads
        names = np.array(self.index * len(self.rows))
        heads = [] if several is None else [(several[0], np.asarray(several[1]).dtype)]
        out = np.empty(len(names), [*heads, ("feature", names.dtype), *((column, "f8") for column in COLUMNS)])
        out["feature"], values = names, np.concatenate(self.rows)
        if several is not None:
            out[several[0]] = np.repeat(several[1], len(self.index))
        for column, numbers in zip(COLUMNS, values.T, strict=True):
            out[column] = numbers
        return out

    def text(self):
        """The table, printed, below what it is of."""
        est, attrs = self.est, self.attrs
        noise = "" if attrs["dispersion"] is None else f", dispersion {attrs['dispersion']:.6g}"
        by = "normal" if attrs["df"] is None else f"t with {attrs['df']:.6g} degrees of freedom"
        lines = [
            f"{type(est).__name__}: loss {attrs['loss']}, {attrs['n_rows']} rows{noise}",
            self.found.fit_line(est),
            f"Standard errors: {attrs['covariance']}; distribution: {by}",
            f"Intervals: {self.level:.6g} of {attrs['interval_of']}",
        ]
        width = max(9, *map(len, self.index))
        head = " " * width + "".join(f"{column:>12}" for column in COLUMNS)
        for h, rows in enumerate(self.rows):
            if (several := self.level_of_heads) is not None:
                lines += ["", f"{several[0]} {several[1][h]}"]
            lines += [head]
            for name, row in zip(self.index, rows, strict=True):
                lines.append(f"{name:<{width}}" + "".join(f"{number:>12.4g}" for number in row))
        return "\n".join(lines)


def expected_coverage(bias):
    """What intervals of 95% cover of a normal estimate with a bias of so many standard errors."""
    away = norm.ppf(0.975)
    return norm.cdf(away - bias) - norm.cdf(-away - bias)


def interval_of(est):
    """In words, what the intervals are of."""
    if penalties.weights(est.penalty, est.alpha, est.l1_ratio)[1] == 0:
        likelihood = "" if est._loss().dispersion is None else " (maximum likelihood)"
        return f"the coefficients that minimise the mean loss on all the data there could be{likelihood}"
    return (
        f"the penalised coefficients, which minimise the mean loss + alpha / 2 |w|^2 on all the data there could be, with "
        f"alpha={est.alpha:g}: the penalty draws them towards 0, and the intervals do not make up for that"
    )


def _tests(coef, se, law, level):
    with np.errstate(invalid="ignore", divide="ignore"):
        z = coef / se
    away = law.ppf(0.5 + 0.5 * level) * se
    return np.column_stack([coef, se, z, 2.0 * law.sf(abs(z)), coef - away, coef + away])


def listed(est, some):
    """The names of those columns, or of the first ones."""
    few = ", ".join(names_of(est, np.flatnonzero(some)[:NAMED]))
    return few + (", ..." if some.sum() > NAMED else "")


# ---------------------------------------------------------------- predictions
def intervals_of_rows(est, found, X, level, new):
    """Ends of the intervals of the margins: (n, K, 2)."""
    W, b = est._coefficients()
    out = np.empty((X.shape[0], len(b), 2))
    few = max(1, BLOCK_VALUES // (1 + X.shape[1]))
    for h, one in enumerate(found.each):
        law, _ = found.distribution(one, est._loss())
        for lo in range(0, X.shape[0], few):
            rows = slice(lo, lo + few)
            variance = margin_variances(one, X, rows) + (one.dispersion if new else 0.0)
            margin = X[rows] @ W[:, h] + b[h]
            away = law.ppf(0.5 + 0.5 * level) * np.sqrt(variance)
            out[rows, h] = np.column_stack([margin - away, margin + away])
    return out


def ends(est, margins, kind):
    """Of margins those of what is predicted."""
    if kind != "mean":
        return margins
    return expit(margins) if est._task == "classifier" else est._loss().mean(margins)


# ---------------------------------------------------------------- what users ask for
def check_level(level):
    """confidence_level, or ValueError."""
    if not (np.isscalar(level) and not isinstance(level, str) and 0 < level < 1):
        raise ValueError(f"confidence_level must be between 0 and 1, such as 0.95, got {level!r}.")
    return float(level)


def check_loss(est, robust, clusters):
    """ValueError where no standard errors follow from this fit."""
    loss = est._heads_loss()
    if not (isinstance(robust, bool | np.bool_) or (isinstance(robust, str) and robust in ("HC0", "HC1"))):
        raise ValueError(f"robust must be False, True, 'HC0' or 'HC1', got {robust!r}.")
    if loss.coupled:
        raise ValueError(
            f"there are no standard errors for multi_class={est.multi_class!r}, whose coefficients are known up to what is "
            "added to all classes: take multi_class='ovr'."
        )
    if penalties.weights(est.penalty, est.alpha, est.l1_ratio)[0]:
        raise ValueError(
            f"penalty={est.penalty!r} chooses among the columns, and intervals that do not know of the choice are wrong. Fit "
            "with penalty='l2' or None; on the columns chosen, but on other rows than they were chosen by, that is valid."
        )
    if not loss.offers("second"):
        other = "'log_loss' or 'squared_hinge'" if est._task == "classifier" else "'huber' or 'squared_error'"
        raise ValueError(
            f"loss={loss.name!r} has no curvature, from which standard errors could follow. Take loss={other}; or fit on "
            "resampled rows (sklearn.utils.resample) and take the standard deviations of the coefficients."
        )
    if loss.dispersion is None and clusters is None and not robust:
        raise ValueError(
            f"loss={loss.name!r} is that of no distribution of y, so there is no variance by the model: pass robust=True."
        )


def kind_of(robust, clusters, n):
    """The Kind that is asked for, for n rows."""
    if clusters is None:
        return Kind(bool(robust), robust != "HC0")
    if sp.issparse(clusters) or np.ndim(clusters) != 1 or len(clusters) != n:
        raise ValueError(f"clusters must have one label for each of the {n} rows, found shape {np.shape(clusters)}.")
    labels = np.asarray(clusters)
    if labels.dtype == object and not all(isinstance(label, str) for label in labels):
        labels = _plain(labels)
    if labels.dtype.kind in "fcmM" and (labels != labels).any():
        raise ValueError(
            "clusters holds missing labels: give each row one, a label of its own where it depends on no other."
        )
    return Kind(True, robust != "HC0", np.unique(labels, return_inverse=True)[1])


def _plain(labels):
    """Labels of Python objects as words, or ValueError where one is missing."""
    if any(_missing(label) for label in labels):
        raise ValueError(
            "clusters holds missing labels: give each row one, a label of its own where it depends on no other."
        )
    return np.array([f"{type(label).__name__} {label}" for label in labels])


def _missing(label):
    try:
        return label is None or bool(label != label)
    except TypeError:  # of pandas.NA
        return True
