"""From an estimator and rows to findings in their order."""

import copy
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastsgd.diagnosis import past, training
from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.columns import Columns
from fastsgd.diagnosis.finding import Diagnosis, Finding
from fastsgd.diagnosis.generalising import Generalising
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.base_cv import BaseCV
from fastsgd.estimators.base_linear import BaseLinear

STEPS = "diverging", "oscillating", "noise_ball", "still_falling", "flat"
SCALED_PASSES = 20  # Standardised columns are tried with the estimator's steps for at most this many passes.
# Scales are to blame if less than this share of the way is left then, where steps were too long; where they were too short, or it
# was stopped too early, of what is left of it as it is.
LEARNS, MENDED = 0.9, 0.5


def judged(est: Any, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> Diagnosis:
    """The Diagnosis; arguments as those of `diagnose`."""
    one = _one_model(est)
    epochs, reason = len(vars(one).get("history_", ())), vars(one).get("stop_reason_", "unknown")
    about = f"{type(est).__name__}, {epochs} epoch{'s' * (epochs != 1)}, stopped by {reason!r}"
    if X is None:
        if y is not None or sample_weight is not None or X_val is not None:
            raise ValueError("y, sample_weight and X_val need X, the rows of training: give diagnose(est, X, y, ...).")
        unseen = (
            "Not seen, as X and y were not given: how far the objective is from the least one, columns, classes, and other rows. "
            "diagnose(est, X, y) looks at all of these."
        )
        return Diagnosis(past.judge(one), unseen, about + ".")
    case = Case(one, X, y, sample_weight)
    rows = f"{case.n_rows}" if case.whole else f"{case.table.n_rows} of {case.n_rows}"
    other = None if X_val is None else Case(one, X_val, y_val)
    return Diagnosis(tuple(_findings(case, other)), _unseen(case, other), f"{about}; judged by {rows} rows.")


def _one_model(est: Any) -> Any:
    """The estimator whose model this is: of a search that of the best candidate."""
    if isinstance(est, (BaseSGD, BaseLinear)):
        check_is_fitted(est)
        return est
    if not isinstance(est, BaseCV):
        steps = ", of a pipeline its last step, with X as the steps before it give it" if hasattr(est, "steps") else ""
        raise ValueError(
            f"est must be an SGD or Linear estimator of fastsgd, or one of their CV classes{steps}; found {type(est).__name__}."
        )
    check_is_fitted(est, "coef_")
    from fastsgd import estimators

    kind = getattr(estimators, type(est).__name__.removesuffix("CV"))
    given = est.get_params(deep=False)
    one = kind(**{name: given[name] for name in kind().get_params() if name in given})
    one.set_params(
        **{
            name: getattr(est, f"{name}_")
            for name in ("alpha", "l1_ratio", "eta0")
            if hasattr(est, f"{name}_") and name in one.get_params()
        }
    )
    vars(one).update({name: vars(est)[name] for name in est._learnt if name in vars(est)})
    for name in ("coef_", "intercept_", "history_", "stop_reason_", "dual_gap_"):
        if hasattr(est, name):
            setattr(one, name, copy.copy(getattr(est, name)))
    return one


def _findings(case: Case, other: Case | None) -> list[Finding]:
    far = training.distance(case)
    columns, beyond = Columns(case), Generalising(case, other)
    of_training = training.judge(case, far)
    scaled = columns.badly_scaled()
    bad = of_training.name in STEPS
    if scaled is not None and bad and _scales_are_to_blame(case, columns, of_training.name):
        to_blame = [scaled, of_training]
    else:
        to_blame = [of_training]
    rare, separable = beyond.rare_classes(), beyond.separable()
    under, over = beyond.underfitting(), beyond.overfitting()
    first: list[Finding | None] = [columns.leaks(), separable]
    if of_training.name == "diverging":
        first += to_blame
    if rare is not None and rare[1]:
        first += [rare[0]]
    first += [under, over]
    first += [*to_blame, scaled, columns.constants(), columns.duplicates()]
    if rare is not None:
        first += [rare[0]]
    found: list[Finding] = []
    for one in first:
        if one is not None and all(one is not before for before in found):
            found.append(one)
    return found


def _scales_are_to_blame(case: Case, columns: Columns, name: str) -> bool:
    """Whether the estimator's own steps do better once columns are standardised: where they were too long, the objective falls;
    where it still fell, few passes get farther."""
    if case.any_scale:
        return False
    from fastsgd.sources.scaling import Scaling

    table = copy.copy(case.table)
    spread = np.where(columns.std > 0, columns.std, 1.0) * columns.unit
    table.scaling = Scaling(np.zeros(len(spread)) if case.table.sparse else columns.mean * columns.unit, 1.0 / spread)
    table = table.read(np.arange(table.n_rows), np.float64)
    passes = int(np.clip(len(vars(case.est).get("history_", ())), 3, SCALED_PASSES))
    least = case.solved(table)[0]
    values, W, b = case.trained(None, passes, table, case.zeros(), average=case.est.average)
    end = case.value(W, b, table) if np.isfinite(values).all() else np.inf
    left = (end - least) / max(case.start - least, 1e-300)
    as_it_is = (case.here - case.best[0]) / max(case.start - case.best[0], 1e-300)
    return bool(left < (MENDED * as_it_is if name == "still_falling" else LEARNS))


def _unseen(case: Case, other: Case | None) -> str:
    if other is None and case.est._task is not None and case.table.n_rows > 10 * case.columns:
        return "Not seen: other rows, which say whether it overfits. Give X_val and y_val."
    return ""
