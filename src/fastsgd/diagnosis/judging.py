"""From an estimator and rows to findings in their order."""

import copy
from typing import Any

from sklearn.utils.validation import check_is_fitted

from fastsgd.diagnosis import along, past, scales, training
from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.columns import Columns
from fastsgd.diagnosis.finding import Diagnosis, Finding
from fastsgd.diagnosis.generalising import Generalising
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.base_cv import BaseCV
from fastsgd.estimators.base_linear import BaseLinear

MOST = 0.5  # Of the rows of a rare class: a model that finds fewer of them has a score that says little.
STEPS = "diverging", "oscillating", "noise_ball", "still_falling", "flat"


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
        changing = along.by_history(one)
        return Diagnosis(past.judge(one) + ((changing,) if changing else ()), unseen, about + ".")
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
    blamed = scales.blamed(case, columns, scaled, of_training.name) if scaled is not None and bad else None
    outliers = columns.outliers
    to_blame = [of_training]
    if blamed is not None:
        scaled = blamed
        to_blame = [scaled, of_training]
    elif outliers is not None and case.plan.auto and far.gap > training.FAR * far.fall:
        to_blame = [outliers, of_training]  # Passes do not mend what "auto" takes for the scale of the columns.
    rare, separable = beyond.rare_classes(), beyond.separable()
    under, over = beyond.underfitting(), beyond.overfitting()
    first: list[Finding | None] = [columns.leaks(), separable]
    if of_training.name == "diverging":
        first += to_blame
    if rare is not None and rare[1]:
        first += [rare[0]]
    changing = along.changing(case) or along.by_history(case.est)
    if under is not None and changing is not None and changing.numbers.get("gain", 0.0) > under.numbers["explained"]:
        first += [changing]  # One model of all rows explains less than models of rows nearby would.
    first += [under, over]
    if rare is not None and not bad and rare[0].numbers["recall"] < MOST:
        first += [rare[0]]
    first += [
        *to_blame,
        changing,
        outliers,
        scaled,
        columns.constants(),
        columns.duplicates(),
    ]
    if rare is not None:
        first += [rare[0]]
    found: list[Finding] = []
    for one in first:
        if one is not None and all(one is not before for before in found):
            found.append(one)
    return found


def _unseen(case: Case, other: Case | None) -> str:
    if other is None and case.est._task is not None and case.table.n_rows > 10 * case.columns:
        return "Not seen: other rows, which say whether it overfits. Give X_val and y_val."
    return ""
