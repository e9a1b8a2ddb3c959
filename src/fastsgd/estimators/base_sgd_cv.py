"""What SGDClassifierCV and SGDRegressorCV share: candidates and folds trained beside each other, and the choice of one."""

import copy
from inspect import signature
from itertools import product
from numbers import Integral, Real
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from fastsgd import losses, optimizers, schedules, threads
from fastsgd.estimators import base_cv, choice
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.constraints import validate_params
from fastsgd.estimators.documented import Documented
from fastsgd.estimators.files import ModelFiles
from fastsgd.estimators.for_prediction import MARK
from fastsgd.estimators.problem import Drafts, Problem
from fastsgd.estimators.validation import drawn_seed
from fastsgd.history import HISTORY
from fastsgd.sources.telling import tell
from fastsgd.state import State

NO_USE_FACTOR = 10  # A candidate whose loss is more than this many times that of zero weights is of no use.
ETA0 = 0.01  # This is the default step size of SGDClassifier and SGDRegressor.
SEARCH_SHARE = 0.75  # Candidates are trained for this share of max_seconds, and the model of all rows for the rest.
# These are the default ratios of the least alpha to the largest. Smaller alphas were best on none of six sets of real data.
RATIO_WITH_L1, RATIO_OF_L2 = 1e-3, 1e-5
MODEL_ATTRIBUTES = "_scores", "_n_iter", "_reasons", "_coefs_paths", "_intercepts_paths"
SEARCH_ATTRIBUTES = (
    "alpha_",
    "l1_ratio_",
    "eta0_",
    "_alphas",
    "l1_ratios_",
    "eta0s_",
    "_has_eta_axis",
    *MODEL_ATTRIBUTES,
)
SHARED = (
    "epsilon",
    "fit_intercept",
    "max_iter",
    "tol",
    "shuffle",
    "verbose",
    "n_jobs",
    "random_state",
    "learning_rate",
    "power_t",
    "n_iter_no_change",
    "average",
    "max_seconds",
    "intercept_decay",
    "optimizer",
    "batch_size",
    "standardize",
)
_OF_SGD = BaseSGD._parameter_constraints | BaseSGD._common_constraints
CONSTRAINTS: dict = {
    **{name: _OF_SGD[name] for name in SHARED},
    **base_cv.CONSTRAINTS,
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "eta0s": [Interval(Real, 0, None, closed="neither"), "array-like", None],
    "halving": [Interval(Integral, 2, None, closed="left"), None],
}


class BaseSGDCV(base_cv.BaseCV, Drafts, ModelFiles, Documented, BaseEstimator):
    """Comes after the parts of its task. Needs the parameters of CONSTRAINTS, and `_estimator_class`, that of the candidates."""

    _streams = True  # A source that is not in memory can be trained on.
    n_bootstrap = n_splits = 0  # No models are trained beside each candidate.
    _outcome, _columns_of_history = "_scores", HISTORY
    _left = "coef_", "intercept_", "history_", "stop_reason_", MARK, *SEARCH_ATTRIBUTES

    def _loss(self):
        return losses.get(self.loss, self.epsilon)

    def _check_params(self):
        validate_params(self)
        threads.n_threads(self.n_jobs)
        alphas, ratios, etas = self._given_alphas(), self._ratios(), self._etas()
        least = 1.0 if alphas is None else alphas[-1]
        if least == 0 and schedules.get(self.learning_rate).name == "optimal":
            raise ValueError(
                "alphas must be > 0 since learning_rate is 'optimal', whose step sizes follow from them; with "
                "learning_rate='invscaling' or 'auto' they may be 0."
            )
        member, optimizer = self._members(self, [(least, ratios.max(), etas[0])])[0], optimizers.get(self.optimizer)
        member._check_params()
        rate = member._schedule(optimizer)
        if len(etas) > 1 and not rate.has_eta0:
            raise ValueError(
                f"learning_rate={self.learning_rate!r} has no step size to choose: give no eta0s, or a schedule that has one, "
                "such as 'invscaling'."
            )
        if getattr(optimizer, "line_search", False):
            raise ValueError(
                "models beside others can't search along a line: take another optimizer, or "
                "sklearn.model_selection.GridSearchCV."
            )

    # ------------------------------------------------------------ candidates
    def _etas(self):
        """The step sizes there are."""
        if self.eta0s is None:
            return np.array([ETA0])
        found = base_cv.numbers(np.atleast_1d(self.eta0s), "eta0s", np.inf, "at least one number > 0")
        if found.min() == 0:
            raise ValueError(f"eta0s must be > 0, found {self.eta0s!r}.")
        return np.unique(found)

    def _members(self, est, candidates):
        """The candidates (alpha, l1_ratio, eta0), which have learnt of the data what `est` has."""
        known = signature(self._estimator_class).parameters
        given = {name: value for name, value in self.get_params(deep=False).items() if name in known}
        given |= {"n_jobs": 1, "verbose": 0}
        learnt = {name: vars(est)[name] for name in self._learnt if name in vars(est)}
        members = []
        for alpha, ratio, eta0 in candidates:
            numbers = {"alpha": float(alpha), "l1_ratio": float(ratio), "eta0": float(eta0)}
            members.append(self._estimator_class(**given | numbers))
            vars(members[-1]).update(learnt, _candidate=True, _alphas_follow=self._given_alphas() is None)
        return members

    # ------------------------------------------------------------ the fit
    def _fit(self, X, y, sample_weight, validation, params):
        """Train the candidates, choose one, and train it on all rows; nothing is set before all is done."""
        self._check_params()
        try:
            est = self._fitted(X, y, sample_weight, validation, params)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("fit was interrupted; the estimator is what it was before") from None
        self.__dict__ = self._as_drafted(est)
        return self

    def _fitted(self, X, y, sample_weight, validation, params):
        from fastsgd.estimators.candidates import CandidateTraining
        from fastsgd.estimators.cv_data import CVData

        began, est = perf_counter(), self._draft()
        scorer = choice.scorer_of(self)
        weight = sample_weight if validation[0] is None else validation[2]
        for_split, for_score = choice.routed(self, "fit", scorer, weight, params)
        given, (X, y, s) = (X, y), est._check_data(X, y, sample_weight, reset=True)
        targets = est._learn(y)
        if s is not None and not s.any():
            raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
        rows = CVData(est, (X, y, s), map(choice.shown, given, (X, y)), targets, drawn_seed(self.random_state))
        split, score = rows.split(validation, for_split, scorer, for_score)
        alphas = est._grid(rows)
        tried = [
            (alpha, ratio, eta0)
            for ratio, of_ratio in zip(self._ratios(), alphas, strict=True)
            for alpha, eta0 in product(of_ratio, self._etas())
        ]
        members = self._members(est, tried)
        search = CandidateTraining(members, split, rows)
        models = search.run(self, score, None if self.max_seconds is None else SEARCH_SHARE * self.max_seconds)
        at = est._choose(models, alphas, split.n, members, rows)
        number = int(np.ravel_multi_index(at, (*alphas.shape, len(self._etas()))))
        member = members[number]
        est._tell(members, rows)
        if scorer is None:
            est._tell_of_no_use(models, score, number, members, rows)
        if self.refit:
            if self.max_seconds is not None:
                member.max_seconds = max(1e-9, self.max_seconds - (perf_counter() - began))
            est._refit(member, rows)
        if self.verbose:
            chose = f"alpha={est.alpha_:.3g}" + (f", l1_ratio={est.l1_ratio_:g}" if len(est.l1_ratios_) > 1 else "")
            print(
                f"{len(models.passes)} models took {models.passes.sum()} epochs; chose {chose}, "
                f"{perf_counter() - began:.2f} s"
            )
        return est

    def _grid(self, rows):
        """The alphas, (l1_ratios, alphas)."""
        given, ratios = self._given_alphas(), self._ratios()
        if given is not None:
            return np.tile(given, (len(ratios), 1))
        from fastsgd.estimators import grid

        how = self._heads_loss(), self.fit_intercept, rows.dtype, self.standardize
        constant = grid.constant(rows.table, rows.K, *how)
        share = [self.eps or (RATIO_WITH_L1 if ratio > 0 else RATIO_OF_L2) for ratio in ratios]
        return np.array([constant.grid(self.alphas, r, least) for r, least in zip(ratios, share, strict=True)])

    def _choose(self, models, alphas, folds, members, rows):
        """Set what follows from the models; the place of the candidate that is chosen."""
        from fastsgd.estimators.stored import REASONS

        etas = self._etas()
        candidates, shape = (*alphas.shape, len(etas)), (folds, *alphas.shape, len(etas))
        self._alphas, self.l1_ratios_, self.eta0s_ = alphas, self._ratios(), etas
        self._has_eta_axis = bool(np.ndim(self.eta0s))
        self._scores, self._n_iter = models.scores.reshape(shape), models.passes.reshape(shape)
        self._reasons = models.reasons.reshape(shape)
        self._coefs_paths, self._intercepts_paths = models.paths(candidates)
        not_dropped = np.where(self._reasons == REASONS.index("dropped"), np.nan, self._scores)
        if np.isnan(choice.means(not_dropped)).all() and (self._reasons == REASONS.index("diverged")).any():
            raise ValueError(
                "every candidate diverged in some fold, so that none can be chosen. "
                f"{self._remedy(range(len(members)), members, rows)}"
            )
        at = choice.best_candidate(not_dropped, alphas, self.refit_rule)
        self.alpha_, self.l1_ratio_ = float(alphas[at[:2]]), float(self.l1_ratios_[at[0]])
        self.eta0_ = float(etas[at[2]])
        return at

    def _refit(self, member, rows):
        """The model of the candidate on all rows, as its own `fit` gives it."""
        state = State.zeros(rows.d, rows.K, rows.dtype, rows.seed)
        problem = Problem(member._draft(), rows.without_folds(), rows.K, None, False, rows.X, rows.y, None)
        try:
            member._train(problem, state, None)
        except ValueError as error:
            raise ValueError(
                f"alpha={member.alpha:g} was chosen, and could not be trained on all rows: {error}"
            ) from None
        for name in ("coef_", "intercept_", "history_", "stop_reason_"):
            setattr(self, name, getattr(member, name))

    # ------------------------------------------------------------ in words
    def _tell(self, members, rows):
        """Warn of models that diverged, and of those that were not done."""
        from fastsgd.estimators.stored import REASONS

        reasons = self.stop_reasons_
        diverged = np.array(REASONS)[self._reasons] == "diverged"
        if diverged.any():
            numbers = np.flatnonzero(diverged.any(axis=0))
            alphas = np.repeat(self._alphas, len(self.eta0s_))[numbers]
            some = ", ".join(f"{alpha:.3g}" for alpha in alphas[-3:])
            more = f" and {len(alphas) - 3} others" if len(alphas) > 3 else ""
            tell(
                f"{diverged.sum()} of the {diverged.size} models diverged, of {len(alphas)} candidates, which are not chosen: "
                f"those of alpha={some}{more}. {self._remedy(numbers, members, rows)}",
                ConvergenceWarning,
            )
        late = np.count_nonzero(reasons == "max_iter")
        if late and self.tol is not None:
            tell(
                f"{late} of the {reasons.size} models reached max_iter={self.max_iter} before they met tol={self.tol:g}: their "
                "scores are those of models that still changed. Raise max_iter or tol; tol=None trains each for max_iter.",
                ConvergenceWarning,
            )

    def _tell_of_no_use(self, models, score, number, members, rows):
        """Warn where the candidate of this number, which is chosen, is far worse than zero weights on the rows held out."""
        zeros = models.zeros()
        zeros.score(score, range(models.folds))
        loss, zero = -models.means[number], -zeros.means[0]
        if zero > 0 and loss > NO_USE_FACTOR * zero:
            tell(
                f"alpha={self.alpha_:.3g} was chosen, and is of no use: its mean loss on the rows held out is {loss:.3g}, that "
                f"of zero weights is {zero:.3g}. {self._remedy([number], members, rows)}",
                ConvergenceWarning,
            )

    def _remedy(self, numbers, members, rows):
        """What helps against the divergence of candidates of these numbers: what does with the shortest steps of them."""
        from fastsgd import verdict
        from fastsgd.estimators import told
        from fastsgd.run import Run

        member = members[min(numbers, key=lambda n: (members[n].eta0, n))]
        table, state = copy.copy(rows.table), State.zeros(rows.d, rows.K, rows.dtype, rows.seed)
        plan = member._plan(table, member.max_iter, False)
        if self.standardize:
            member._standardise(table, state, plan)
        run = Run(state)
        run.zero = float(verdict.start_objective(run, plan, table))
        scaled = "If columns differ in scale, set standardize=True or scale X with StandardScaler. "
        return f"{told.remedy(member, scaled, told.advice(member, run, plan, table, False))}."

    # ------------------------------------------------------------ the outcome
    def _with_eta_axis(self, values):
        """An array of all models, with the axis of the step sizes where the user gave several."""
        return values if self._has_eta_axis else values[:, :, :, 0]

    @property
    def scores_(self) -> NDArray[Any]:
        """The score of each fold and candidate, NaN where the model diverged."""
        return self._with_eta_axis(self._scores)

    @property
    def n_iter_(self) -> NDArray[Any]:
        """The epochs of each fold and candidate."""
        return self._with_eta_axis(self._n_iter)

    @property
    def stop_reasons_(self) -> NDArray[Any]:
        """Why the training of each fold and candidate ended, as `stop_reason_` says it; or "dropped"."""
        from fastsgd.estimators.stored import REASONS

        return np.array(REASONS)[self._with_eta_axis(self._reasons)]

    @property
    def coefs_paths_(self) -> NDArray[Any]:
        """The coefficients of each fold and candidate."""
        return self._with_eta_axis(self._coefs_paths)

    @property
    def intercepts_paths_(self) -> NDArray[Any]:
        """The intercepts of each fold and candidate."""
        return self._with_eta_axis(self._intercepts_paths)

    def _tried(self):
        tried = super()._tried()
        if not self._has_eta_axis:
            return tried
        n = self.eta0s_.size
        tried = {name: np.repeat(values, n) for name, values in tried.items()}
        return tried | {"eta0": np.tile(self.eta0s_, self._alphas.size)}

    @property
    def cv_results_(self) -> dict[str, Any]:
        """The scores by candidate, as `GridSearchCV` has them, with "dropped_at": the epoch in which it was, or 0."""
        dropped = np.where(self.stop_reasons_ == "dropped", self.n_iter_, 0).max(axis=0).ravel()
        return super().cv_results_ | {"dropped_at": dropped}

    @classmethod
    def _stored(cls):
        from fastsgd.estimators.stored import SEARCH

        stored = super()._stored()
        table = {name: rule for name, rule in stored.table.items() if name not in vars(BaseSGDCV)}
        return stored._replace(table=table | SEARCH, training=frozenset({"_coefs_paths", "_intercepts_paths"}))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
