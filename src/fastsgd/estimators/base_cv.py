"""What the estimators share that choose alpha and l1_ratio by cross-validation: what they try, and what is known of it."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from fastsgd.estimators import choice
from fastsgd.estimators.for_prediction import MARK, missing

CONSTRAINTS: dict = {
    "penalty": [StrOptions({"l2", "l1", "elasticnet"})],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither"), None],
    "l1_ratios": ["array-like"],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "refit": ["boolean"],
    "refit_rule": [StrOptions(set(choice.RULES))],
}


OF_MODEL = "coef_", "intercept_", "dual_gap_", "history_", "stop_reason_"  # of all rows, where refit is not False


class BaseCV:
    """Comes before the other bases. Needs the parameters of CONSTRAINTS; and of a fit `_alphas`, `l1_ratios_` and `scores_`."""

    warm_start = False  # A source that is given as X is asked for it.

    def _check_params(self):
        super()._check_params()
        self._ratios()
        self._given_alphas()

    def _ratios(self):
        """The l1_ratios there are."""
        if self.penalty != "elasticnet":
            return np.array([1.0 if self.penalty == "l1" else 0.0])
        return numbers(self.l1_ratios, "l1_ratios", 1.0)

    def _given_alphas(self):
        """The alphas that are given, falling; None where there is a number of them."""
        if isinstance(self.alphas, Integral) and not isinstance(self.alphas, bool):
            return None
        return np.unique(numbers(self.alphas, "alphas", np.inf))[::-1]

    @property
    def alphas_(self) -> NDArray[Any]:
        """The alphas, falling: (n_alphas,), or (n_l1_ratios, n_alphas) where each l1_ratio has its own."""
        one = (self._alphas == self._alphas[0]).all()
        return self._alphas[0] if one else self._alphas

    @property
    def cv_results_(self) -> dict[str, Any]:
        """The scores by candidate, as `GridSearchCV` has them; the l1_ratios one after another."""
        return choice.results(self.scores_, self._tried())

    def _tried(self):
        """The parameters of each candidate."""
        return {"alpha": self._alphas.ravel(), "l1_ratio": np.repeat(self.l1_ratios_, self._alphas.shape[1])}

    def __getattr__(self, name):
        """Say why an attribute of a fit is not there, by the name that was asked for: some are worked out of private ones."""
        if name.startswith("_") or not name.endswith("_"):
            return object.__getattribute__(self, name)  # It says itself what is missing.
        if MARK in vars(self) and name in ("coefs_paths_", "intercepts_paths_"):
            raise missing(self, name)
        if "alpha_" not in vars(self):
            raise NotFittedError(f"This {type(self).__name__} has no {name}: it is not fitted yet. Call 'fit' first.")
        if name in OF_MODEL and "coef_" not in vars(self):
            raise NotFittedError(
                f"This {type(self).__name__} has chosen alpha_ and l1_ratio_, but with refit=False no model was fitted by "
                f"them, so that it has no {name}. Set refit=True, and fit it."
            )
        return object.__getattribute__(self, name)

    @classmethod
    def _stored(cls):
        """What is stored; the model of all rows is not there with refit=False."""
        from fastsgd.persist.segments import Absent

        stored = super()._stored()
        table = {name: Absent(rule) if name in OF_MODEL else rule for name, rule in stored.table.items()}

        def take(est, parts):
            missing = [name for name in OF_MODEL if name in table and name not in vars(est)]
            if 0 < len(missing) < sum(name in table for name in OF_MODEL):
                raise ValueError(f"{missing[0]} is missing")

        return stored._replace(table=table, fitted="alpha_", take=take)

    def get_metadata_routing(self) -> Any:
        """What `fit` hands on to the splitter `cv` and to the scorer.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return choice.router(self)

    def _score(self, X, y, sample_weight, params, otherwise):
        scorer = choice.scorer_of(self)
        if scorer is None:
            return otherwise(X, y, sample_weight)
        return scorer(choice.plain(self), X, y, **choice.routed(self, "score", scorer, sample_weight, params)[1])


def numbers(given, name, most, least="at least one number >= 0"):
    """Numbers in [0, most], at least one."""
    try:
        found = np.asarray(given)
        found = found.astype(np.float64) if found.dtype != bool else np.array(np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, found {given!r}.") from error
    if found.ndim != 1 or not len(found) or not (np.isfinite(found) & (found >= 0) & (found <= most)).all():
        of = least if most == np.inf else f"at least one number from 0 to {most:g}"
        raise ValueError(f"{name} must be {of}, in a list or an array of one dimension, found {given!r}.")
    return found
