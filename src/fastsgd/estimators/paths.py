"""What LinearClassifierCV and LinearRegressorCV share: a path of alphas for each fold and l1_ratio, and the choice of a point."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastsgd import penalties, threads
from fastsgd.blas import one_blas_thread
from fastsgd.estimators import base_cv, choice
from fastsgd.estimators.base_linear import Solved, readable
from fastsgd.estimators.for_prediction import MARK
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
CONSTRAINTS: dict = {**Solved._parameter_constraints, **base_cv.CONSTRAINTS}


class CrossValidated(base_cv.BaseCV):
    """Comes before `Solved`, and needs the parameters of CONSTRAINTS."""

    _left = (*Solved._left, MARK, *OF_PATHS)

    # ------------------------------------------------------------ the fit
    def _fit(self, X, y, sample_weight, params):
        """Solve the paths, choose a point, and solve that on all rows; nothing is set before all is done."""
        from fastsgd.solvers import path
        from fastsgd.solvers.heads import Heads, Task

        self._check_params()
        scorer = choice.scorer_of(self)
        for_split, for_score = choice.routed(self, "fit", scorer, sample_weight, params)
        est = self._draft()
        given, (X, y, s) = (X, y), est._check_data(X, y, sample_weight, reset=True)
        shown = tuple(map(choice.shown, given, (X, y)))
        targets = est._learn(y)
        if s is not None and not s.any():
            raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
        rows = Rows(readable(X), y, s, targets)
        table, K = rows.table(slice(None)), targets.heads
        workers = threads.Threads(threads.n_threads(self.n_jobs))
        task = Task(est._heads_loss(), 0.0, 0.0, self.fit_intercept, self.tol, self.max_iter, n_jobs=workers.n)
        task = replace(task, seed=drawn_seed(self.random_state), keep_duals=True)
        folds = choice.folds(self, *shown, for_split)
        with one_blas_thread():
            constant = path.Constant.of(table, K, task, workers)
            given, ratios = self._given_alphas(), self._ratios()
            grids = [constant.grid(self.alphas, r, self.eps) if given is None else given for r in ratios]
            paths = Paths(
                est, rows, folds, task, np.array(grids), ratios, choice.Scoring(scorer, for_score, *shown, est)
            )
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
        at = choice.best_candidate(paths.scores, paths.alphas, self.refit_rule)
        self._alphas, self.l1_ratios_ = paths.alphas, paths.ratios
        self.scores_, self.dual_gaps_ = paths.scores, paths.gaps
        self.coefs_paths_, self.intercepts_paths_ = paths.coefs, paths.intercepts
        self.alpha_, self.l1_ratio_ = float(paths.alphas[at]), float(paths.ratios[at[0]])
        return at

    @classmethod
    def _stored(cls):
        from fastsgd.estimators.stored import PATHS

        stored = super()._stored()
        return stored._replace(table=stored.table | PATHS, training=frozenset({"coefs_paths_", "intercepts_paths_"}))


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
        choice.check_fold(f, train, test, self.rows.y, self.rows.s, self.rows.targets)
        table, held = self.rows.table(train), self.rows.held_out(test)
        scored = self.scoring.of_fold(held, test, K)
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
