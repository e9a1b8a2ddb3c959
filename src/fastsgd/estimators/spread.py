"""How far apart the models are that were trained beside a model, and what follows from it."""

from types import SimpleNamespace

import numpy as np
from scipy.stats import norm, t

from fastsgd.auto_newton import finished
from fastsgd.beside import with_longer_steps
from fastsgd.estimators.coef_table import interval_of, listed
from fastsgd.estimators.products import product
from fastsgd.sources.scaling import Scaling

# Where longer steps move a coefficient by more standard errors than this, it is the bias of the steps, or they have not arrived.
MAX_MOVED = 1.0
# Models of fewer rows have more of the bias, and so move as the longer steps do, by about half as far and more; or they have
# arrived less, and move the other way or not at all.
MIN_SHARE = 0.15
MAX_BIAS = 5.0  # The bias of the steps is known to about a tenth: this many standard errors leave half of one.
MIN_ROWS_PER_COEFFICIENT = 30  # Of each model.
MIN_ROWS_TO_CORRECT = 200  # Of the model whose bias is subtracted, for each coefficient.
MIN_VISITS = 10  # A feature that fewer rows have is not known by resampling these.


class Spread:
    """That of one method, "bootstrap" or "split".

    Parameters
    ----------
    est : SGDClassifier or SGDRegressor
        Fitted.
    method : str
    plain : (coef, intercept)
        The average, (K, d) and (K,).
    longer : (coef, intercept)
        That of longer steps.
    models : list of (coef, intercept)
    unknown : (n_features,) bool
        Of which a part of the rows says nothing.

    Attributes
    ----------
    corrected : bool
        Whether the bias of the steps is subtracted of `plain`.
    estimate : (coef, intercept)
    se : (K, n) array
        Standard errors; the intercept, if there is one, comes first.
    df : int
        Degrees of freedom of Student's t.
    """

    def __init__(self, est, method, plain, longer, models, unknown):
        self.est, self.method, self.plain, self.models = est, method, plain, models
        self.corrected = not (est._loss().quadratic or est._state.auto.sparse)
        self.estimate = tuple(2.0 * p - q for p, q in zip(plain, longer, strict=True)) if self.corrected else plain
        self.about_mean = self.corrected or method == "split"
        self.df = len(models) - self.about_mean
        self.se, shift = self._spread(self._flat(plain), (self._flat(model) for model in models))
        self.se[self.se == 0] = np.nan  # The data say nothing of it.
        self.se[:, -est.n_features_in_ :][:, unknown] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = self.se * t(self.df).ppf(0.975) / norm.ppf(0.975)  # Few models give uncertain standard errors.
            self.moved = np.nan_to_num((self._flat(longer) - self._flat(plain)) / unit)
            self.shift = np.nan_to_num(shift / unit)

    @classmethod
    def of(cls, est, method=None):
        """That of an estimator, by the method, or by the first that it has."""
        beside, state = est._state.beside, est._state
        there = {} if beside is None or state.auto is None else {"bootstrap": beside.resampled, "split": beside.parts}
        there = {name: states for name, states in there.items() if states}
        if beside is not None and not beside.n_rows:
            raise ValueError("the models have learnt nothing yet: train on rows of which some have weight.")
        if not there or method not in (None, *there):
            asked = {"bootstrap": "n_bootstrap=20", "split": "n_splits=10"}[method or "bootstrap"]
            raise ValueError(
                f"no models were trained beside this one by which it could be said how sure it is: set learning_rate='auto' "
                f"and {asked}, and fit anew."
            )
        if not est._as_published():
            raise ValueError(
                "coef_ or intercept_ is not what training has made it, so that the models beside it say nothing of it."
            )
        method = method or next(iter(there))
        _check_rows(beside, method, there[method], est.n_features_in_ + est.fit_intercept)
        plan = est._plan(SimpleNamespace(sparse=state.auto.sparse, n_rows=1), 1, True)
        candidate, share = state.auto.best()
        best = candidate, np.ones_like(share)
        out = [_in_units_of_rows(est, other, plan, best) for other in (state, beside.longer, *there[method])]
        if not all(np.isfinite(part).all() for model in out for part in model):
            raise ValueError("the numbers of a model beside this one overflowed: scale X, or set standardize=True.")
        unknown = np.any([_constant(other.auto) for other in beside.parts * (method == "split")], axis=0)
        return cls(est, method, out[0], out[1], out[2:], unknown * np.ones(est.n_features_in_, bool))

    def _flat(self, model):
        """Intercept, if there is one, and coefficients of each head: (K, n) float64."""
        coef, b = model
        return np.column_stack([b, coef]).astype(np.float64) if self.est.fit_intercept else coef.astype(np.float64)

    def _spread(self, centre, values):
        """(standard errors, mean difference from the centre) by the values of each model."""
        total, squares, n = np.zeros_like(centre), np.zeros_like(centre), len(self.models)
        for value in values:
            total += value - centre
            squares += (value - centre) ** 2
        if self.about_mean:
            squares = np.maximum(0.0, squares - total**2 / n)
        scale = self.df * (n if self.method == "split" else 1)
        return np.sqrt(squares / scale), total / n

    # ------------------------------------------------------------ what tables and intervals ask for
    def rows(self, est):
        """(coefficients, standard errors, distribution) of each head."""
        return [(coef, se, t(self.df)) for coef, se in zip(self._flat(self.estimate), self.se, strict=True)]

    def attrs(self, est):
        """What the numbers are, in words and numbers."""
        return {
            "interval_of": interval_of(self.est) + self._rest_of_penalty(),
            "covariance": self._named(),
            "estimate": self._estimate_named(),
            "loss": self.est._loss().name,
            "n_rows": self.n_rows,
            "df": self.df,
            "dispersion": None,
        }

    def fit_line(self, est):
        """In words, how the fit ended."""
        return f"Fit: {self.est.stop_reason_} after {self.est.n_iter_} passes; coef is {self._estimate_named()}"

    @property
    def n_rows(self):
        """Rows with weight that the model has learnt from, each counted once."""
        return self.est._state.beside.n_rows

    def _named(self):
        n = len(self.models)
        return f"bootstrap of {n} resamples" if self.method == "bootstrap" else f"split into {n} parts"

    def _estimate_named(self):
        shares = self.est._state.auto.best()[1]
        whole = "coef_" if (shares == 1).all() else "the model of which coef_ is a share (auto_rule_)"
        if not self.corrected:
            return whole
        return f"{whole} less the bias of its steps, at most {abs(self.moved).max():.2g} standard errors"

    def _rest_of_penalty(self):
        auto = self.est._state.auto
        some = auto.sparse and not auto.again and interval_of(self.est).startswith("the penalised")
        return "; of a single pass on CSR, with less of the penalty" if some else ""

    def intervals_of_rows(self, X, level):
        """Ends of the intervals of the margins: (n, K, 2)."""

        def margins(model):
            coef, b = model
            return np.asarray(product(X, coef, self.est.n_jobs) + b, np.float64)

        se, _ = self._spread(margins(self.plain), map(margins, self.models))
        away = t(self.df).ppf(0.5 + 0.5 * level) * se
        margin = margins(self.estimate)
        return np.stack([margin - away, margin + away], axis=-1)

    # ------------------------------------------------------------ when not to trust it
    def warnings(self, est):
        """In words, why not to trust the numbers."""
        auto, nothing = est._state.auto, np.isnan(self.se[:, -est.n_features_in_ :]).any(axis=0)
        if nothing.any():
            yield (
                f"the rows say nothing of the coefficients of {listed(est, nothing)}, whose columns are constant, or which one "
                f"row alone has{'; or so it is in one of the parts' * (self.method == 'split')}. Their standard errors are nan."
            )
        n_coefficients = self.se.shape[1] - nothing.sum()
        if auto.sparse:
            few = (est._state.beside.counts[1 : 1 + est.n_features_in_] < MIN_VISITS) & ~nothing
            if few.any():
                yield (
                    f"fewer than {MIN_VISITS} rows have the features {listed(est, few)}: resampling so few does not say how sure "
                    "their coefficients are. Leave them out."
                )
            n_coefficients -= few.sum()
        yield from self._few_rows(n_coefficients)
        yield from self._unsettled(est)

    def _few_rows(self, n_coefficients):
        n, parts = self.n_rows, len(self.models) if self.method == "split" else 1
        needed = MIN_ROWS_PER_COEFFICIENT * n_coefficients
        if self.corrected and n < MIN_ROWS_TO_CORRECT * n_coefficients:
            yield (
                f"{n} rows are few for {n_coefficients} coefficients that are freed of the bias of the steps, and the intervals "
                f"may cover less than they should: have {MIN_ROWS_TO_CORRECT} rows and more for each, or leave columns out."
            )
        elif n < parts * needed:
            what = f"{n / parts:.0f} rows" + (" in each part" if parts > 1 else "")
            fewer = f"set n_splits={n // needed} and fit anew" if n >= 2 * needed and parts > 1 else "leave columns out"
            yield (
                f"{what} are few for {n_coefficients} coefficients, and the intervals may cover less than they should: have "
                f"{MIN_ROWS_PER_COEFFICIENT} rows and more for each, or {fewer}."
            )

    def _unsettled(self, est):
        most = abs(self.moved).max()
        if most > MAX_MOVED and (self.shift * self.moved).sum() < MIN_SHARE * (self.moved**2).sum():
            yield (
                f"the average has not settled: steps twice as long move coefficients by up to {most:.2g} standard errors. Make "
                f"more passes (max_iter), or take {_solver(est)}, which solves to a certificate."
            )
        elif self.corrected and most > MAX_BIAS:
            yield (
                f"the bias of the steps, of which the intervals are freed, is up to {most:.2g} standard errors, and known to "
                f"about a tenth: make more passes (max_iter), have more rows, or take {_solver(est)}, whose optimum has none."
            )


def _check_rows(beside, method, models, n_coefficients):
    """ValueError where models have not learnt from the rows that they should know: how far they are apart says nothing then."""
    if not beside.in_step:
        raise ValueError(
            "training was interrupted again while the models beside this one were given the rows that it had been given, so "
            "that some have learnt from fewer rows: fit anew."
        )
    n, empty = beside.n_rows, sum(other.auto.at["t"][0] == 0 for other in models)
    if empty:
        what = {"split": "parts (n_splits)", "bootstrap": "resamples (n_bootstrap)"}[method]
        enough = n // (MIN_ROWS_PER_COEFFICIENT * n_coefficients)
        fewer = f", or set n_splits={enough}," if method == "split" and 2 <= enough < len(models) else ""
        each = " in each part" if method == "split" else ""
        raise ValueError(
            f"{empty} of the {len(models)} {what} have none of the rows, of which {n} have weight, so that their models have "
            f"learnt nothing: have {MIN_ROWS_PER_COEFFICIENT} rows and more for each coefficient{each}{fewer} and fit anew."
        )


def _constant(auto):
    """The columns that were constant, or on CSR 0, in the rows of a model: its coefficients of them are 0, and no estimates."""
    return auto.visits == 0 if auto.sparse else auto.columns[1] == 0


def _solver(est):
    return f"Linear{est._task.title()}"


def _in_units_of_rows(est, other, plan, best):
    """Coefficients and intercepts of a state: (K, d) of its dtype, and (K,)."""
    own = with_longer_steps(plan) if other is est._state.beside.longer else plan
    W, b = finished(other.auto, own).model(other.W, other.A, other.b, other.b_avg, plan.l1, plan.l2, best)
    if est._state.std is not None:
        W, b = Scaling.of(est._state).outward(W, b)
    return np.ascontiguousarray(W.T[: len(b)]), b
