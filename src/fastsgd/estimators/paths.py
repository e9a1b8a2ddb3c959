"""What LinearClassifierCV and LinearRegressorCV share: a path of alphas for each fold and l1_ratio, and the choice of a point."""

from dataclasses import dataclass, replace
from numbers import Integral, Real
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from fastsgd import penalties, threads
from fastsgd.blas import one_blas_thread
from fastsgd.estimators import choice
from fastsgd.estimators.base_linear import Solved, readable
from fastsgd.estimators.validation import drawn_seed
from fastsgd.sources.telling import tell

OF_PATHS = (
    "alpha_",
    "l1_ratio_",
    "_alphas",
    "l1_ratios_",
    "scores_",
    "dual_gaps_",
    "coefs_paths_",
    "intercepts_paths_",
)  # `n_iter_` is of them, too.
CONSTRAINTS: dict = {
    **Solved._parameter_constraints,
    "penalty": [StrOptions({"l2", "l1", "elasticnet"})],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither"), None],
    "l1_ratios": ["array-like"],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "refit": ["boolean"],
    "refit_rule": [StrOptions(set(choice.RULES))],
}


class CrossValidated:
    """Comes before `Solved`, and needs the parameters of CONSTRAINTS."""

    _left = (*Solved._left, *OF_PATHS)
    warm_start = False  # Each path is; a source that is given as X is asked for it.

    def _check_params(self):
        super()._check_params()
        self._ratios()
        self._given_alphas()

    def _ratios(self):
        """The l1_ratios there are."""
        if self.penalty != "elasticnet":
            return np.array([1.0 if self.penalty == "l1" else 0.0])
        return _numbers(self.l1_ratios, "l1_ratios", 1.0)

    def _given_alphas(self):
        """The alphas that are given, falling; None where there is a number of them."""
        if isinstance(self.alphas, Integral):
            return None
        return np.unique(_numbers(self.alphas, "alphas", np.inf))[::-1]

    # ------------------------------------------------------------ the fit
    def _fit(self, X, y, sample_weight, params):
        """Solve the paths, choose a point, and solve that on all rows; nothing is set before all is done."""
        from fastsgd.solvers import path
        from fastsgd.solvers.heads import Heads, Task

        self._check_params()
        scorer = choice.scorer_of(self)
        for_split, for_score = choice.routed(self, "fit", scorer, sample_weight, params)
        est = self._draft()
        X, y, s = est._check_data(X, y, sample_weight, reset=True)
        targets = est._learn(y)
        if s is not None and not s.any():
            raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
        rows = Rows(readable(X), y, s, targets)
        table, K = rows.table(slice(None)), targets.heads
        workers = threads.Threads(threads.n_threads(self.n_jobs))
        task = Task(est._heads_loss(), 0.0, 0.0, self.fit_intercept, self.tol, self.max_iter, n_jobs=workers.n)
        task = replace(task, seed=drawn_seed(self.random_state), keep_duals=True)
        folds = choice.folds(self, X, y, for_split)
        with one_blas_thread():
            constant = path.Constant.of(table, K, task, workers)
            given, ratios = self._given_alphas(), self._ratios()
            grids = [constant.grid(self.alphas, r, self.eps) if given is None else given for r in ratios]
            paths = Paths(est, rows, folds, task, np.array(grids), ratios, choice.Scoring(scorer, for_score, X, est))
            workers.map(paths.solve_fold, range(len(folds)))
            at = est._choose(paths)
            if self.refit:
                start = paths.coefs[(0, *at)].T.astype(np.float64), paths.intercepts[(0, *at)], None
                l1, l2 = penalties.weights("elasticnet", est.alpha_, est.l1_ratio_)
                heads = Heads(table, K, replace(task, l1=l1, l2=l2, keep_duals=False), start=start).run()
                if heads.stopped == "interrupted":
                    raise KeyboardInterrupt
                est._fit_to(heads)
        est.n_iter_ = paths.passes
        self.__dict__ = self._as_drafted(est)
        paths.warn(self)
        if self.refit:
            self._warn(heads)
        return self

    def _choose(self, paths):
        """Set what follows from the paths; (index of the l1_ratio, of the alpha) that is chosen."""
        at = choice.chosen(paths.scores, paths.alphas, self.refit_rule)
        self._alphas, self.l1_ratios_ = paths.alphas, paths.ratios
        self.scores_, self.dual_gaps_ = paths.scores, paths.gaps
        self.coefs_paths_, self.intercepts_paths_ = paths.coefs, paths.intercepts
        self.alpha_, self.l1_ratio_ = float(paths.alphas[at]), float(paths.ratios[at[0]])
        return at

    # ------------------------------------------------------------ the outcome
    @property
    def alphas_(self) -> NDArray[Any]:
        """The alphas of the paths, falling: (n_alphas,), or (n_l1_ratios, n_alphas) where each l1_ratio has its own."""
        one = (self._alphas == self._alphas[0]).all()
        return self._alphas[0] if one else self._alphas

    @property
    def cv_results_(self) -> dict[str, Any]:
        """The scores by candidate, as `GridSearchCV` has them; the l1_ratios one after another."""
        return choice.results(self.scores_, self._alphas, self.l1_ratios_)

    def _weights(self):
        if not hasattr(self, "coef_"):
            raise NotFittedError(
                f"This {type(self).__name__} has chosen alpha_ and l1_ratio_, but with refit=False no model was fitted by them."
            )
        return super()._weights()

    def get_metadata_routing(self) -> Any:
        """The `MetadataRouter` of this estimator: `fit` hands metadata on to the splitter `cv` and to the scorer."""
        return choice.router(self)

    def _score(self, X, y, sample_weight, params, otherwise):
        scorer = choice.scorer_of(self)
        if scorer is None:
            return otherwise(X, y, sample_weight)
        return scorer(self, X, y, **choice.routed(self, "score", scorer, sample_weight, params)[1])

    @classmethod
    def _stored(cls):
        from fastsgd.estimators.stored import PATHS

        stored = super()._stored()
        return stored._replace(table=stored.table | PATHS)


@dataclass(frozen=True)
class Rows:
    """All rows, checked; tables of some of them."""

    X: Any
    y: Any
    s: Any
    targets: Any

    def table(self, rows):
        return self._table(rows, self.targets)

    def held_out(self, rows):
        """As in scikit-learn, the weights of the classes are those of the training alone."""
        return self._table(rows, replace(self.targets, weight=None) if self.targets.needs_classes else self.targets)

    def _table(self, rows, targets):
        all_of_them = isinstance(rows, slice)
        X = self.X if all_of_them else self.X[rows]
        return targets.table(X, self.y[rows], None if self.s is None else self.s[rows])


class Paths:
    """The paths of all folds and l1_ratios, and what is known of each point.

    Attributes
    ----------
    scores, gaps : (folds, l1_ratios, alphas) float64
        The gaps are relative.
    passes : (folds, l1_ratios, alphas) int64
    coefs, intercepts : (folds, l1_ratios, alphas, K, d) and (folds, l1_ratios, alphas, K)
    unproven : (folds, l1_ratios, alphas) of bool
        Where the gap is above tol, and by more than rounding.
    """

    def __init__(self, est, rows, folds, task, alphas, ratios, scoring):
        self.est, self.rows, self.folds, self.task = est, rows, folds, task
        self.alphas, self.ratios, self.scoring = alphas, ratios, scoring
        shape, K = (len(folds), *alphas.shape), rows.targets.heads
        self.scores, self.gaps = np.zeros(shape), np.zeros(shape)
        self.passes, self.unproven = np.zeros(shape, np.int64), np.zeros(shape, bool)
        self.coefs, self.intercepts = np.zeros((*shape, K, rows.X.shape[1]), rows.X.dtype), np.zeros((*shape, K))

    def solve_fold(self, f):
        """All paths of a fold, whose rows are copied once."""
        from fastsgd.solvers import path

        (train, test), task, K = self.folds[f], self.task, self.rows.targets.heads
        workers = threads.Threads(task.n_jobs)
        self._check(f, train, test)
        table, held = self.rows.table(train), self.rows.held_out(test)
        scored = self.scoring.of_fold(held, self.rows.y[test], test, K)
        start = path.Constant.of(table, K, task, workers).start()

        def solve(i):
            began, numbers = perf_counter(), [(a * self.ratios[i], a * (1.0 - self.ratios[i])) for a in self.alphas[i]]
            for j, heads in enumerate(path.along(table, K, task, numbers, start)):
                at = f, i, j
                self.gaps[at], self.passes[at] = heads.gap, max(len(report.passes) for report in heads.reports)
                self.unproven[at] = heads.reason in ("max_iter", "estimated") or any(
                    report.lost for report in heads.reports
                )
                self.coefs[at], self.intercepts[at] = heads.W.T, heads.b
                self.scores[at] = scored(heads)
            if self.est.verbose:
                passes, seconds = self.passes[f, i].sum(), perf_counter() - began
                print(
                    f"fold {f + 1} of {len(self.folds)}, l1_ratio {self.ratios[i]:g}: {len(numbers)} alphas, {passes} passes, "
                    f"largest gap {self.gaps[f, i].max():.3g}, {seconds:.2f} s"
                )

        workers.map(solve, range(len(self.ratios)))

    def _check(self, f, train, test):
        rows = self.rows
        if rows.targets.needs_classes and not rows.targets.soft and (rows.y[train] == rows.y[train[0]]).all():
            raise ValueError(
                f"fold {f} of cv has only rows of class {rows.y[train[0]]} to train on: shuffle the rows, or use "
                "StratifiedKFold."
            )
        for what, some in {"to train on": train, "held out": test}.items():
            if rows.s is not None and not rows.s[some].any():
                raise ValueError(f"all rows {what} in fold {f} of cv have a sample_weight of 0.")

    def warn(self, est):
        """Say how many points are not proven, and which is the worst."""
        bad = self.unproven & ~(self.gaps <= est.tol)
        if not bad.any():
            return
        ways = "Leave out the smallest alphas, or raise tol."
        if (self.passes[bad] >= est.max_iter).any():
            ways = f"Raise max_iter, which is {est.max_iter}, or tol; or leave out the smallest alphas."
        worst = np.unravel_index(np.where(bad, self.gaps, -1.0).argmax(), bad.shape)
        tell(
            f"{bad.sum()} of the {bad.size} points of the paths are not proven to be within tol={est.tol:g}: the largest gap in "
            f"dual_gaps_ is {self.gaps[worst]:.3g}, at alpha={self.alphas[worst[1:]]:.3g}, l1_ratio={self.ratios[worst[1]]:g}, "
            f"fold {worst[0]}. {ways}",
            ConvergenceWarning,
        )


def _numbers(given, name, most):
    """Numbers in [0, most], at least one."""
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, found {given!r}.") from error
    if found.ndim != 1 or not len(found) or not (np.isfinite(found) & (found >= 0) & (found <= most)).all():
        of = "at least one number >= 0" if most == np.inf else f"at least one number from 0 to {most:g}"
        raise ValueError(f"{name} must be {of}, in a list or an array of one dimension, found {given!r}.")
    return found
