"""Cross-validation as scikit-learn does it: folds, what scores them, which metadata go where, and which candidate is chosen."""

import copy
from inspect import signature

import numpy as np
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import _check_method_params

RULES = "best", "one_standard_error"


def scorer_of(est):
    """The scorer that `scoring` asks for; None where it is the loss."""
    return None if est.scoring is None else check_scoring(est, scoring=est.scoring)


def router(est):
    """What `get_metadata_routing` returns: requests of the splitter and of the scorer."""
    made = MetadataRouter(owner=est.__class__.__name__).add_self_request(est)
    if hasattr(est.cv, "split"):
        made.add(splitter=est.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    if est.scoring is not None and hasattr(scorer_of(est), "get_metadata_routing"):
        mapping = MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score")
        made.add(scorer=scorer_of(est), method_mapping=mapping)
    return made


def routed(est, method, scorer, sample_weight, params):
    """(what the splitter is given, what the scorer is)."""
    params = {name: value for name, value in params.items() if value is not None}
    if method == "fit" and not params.keys().isdisjoint(("record", "record_every")):
        name = type(est).__name__
        raise TypeError(
            f"{name} records no steps: fit {name.removesuffix('CV')} with the parameters that it chose, and record= there."
        )
    if get_config()["enable_metadata_routing"]:
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        found = process_routing(est, method, **weight, **params)
        return (
            found.get("splitter", Bunch(split={})).get("split", {}),
            found.get("scorer", Bunch(score={})).get("score", {}),
        )
    unknown = sorted(params.keys() - {"groups"} if method == "fit" else params.keys())
    if unknown:
        raise TypeError(
            f"{method} got {', '.join(unknown)}, which it hands on only with sklearn.set_config(enable_metadata_routing=True)."
        )
    weighs = scorer is not None and sample_weight is not None and _takes(scorer, "sample_weight")
    return params, {"sample_weight": sample_weight} if weighs else {}


def _takes(scorer, name):
    """Whether a scorer, or what scikit-learn made it of, takes that argument."""
    return name in signature(getattr(scorer, "_score_func", scorer)).parameters


def _knowing(scorer, classes):
    """The scorer, told of all the classes if it takes them, as the rows of a fold may lack some."""
    if not (hasattr(scorer, "_score_func") and _takes(scorer, "labels")) or "labels" in scorer._kwargs:
        return scorer
    more = {"labels": classes}
    if len(classes) == 2 and _takes(scorer, "pos_label"):
        more["pos_label"] = classes[-1]
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{**more, **scorer._kwargs},
    )


def plain(est):
    """What a scorer is given of an estimator: a copy that scores as without `scoring`, which it would call itself by."""
    est = copy.copy(est)
    est.scoring = None
    return est


def shown(given, checked):
    """What splitters and scorers are given of X or y: a table of a user's as it is, so that its names are there."""
    shape = getattr(given, "shape", None)
    if not (hasattr(given, "iloc") or hasattr(given, "to_pandas")) or not isinstance(shape, tuple):
        return checked
    return given if all(isinstance(n, int) for n in shape) and shape == checked.shape else checked


class Scoring:
    """What scores a point of a path on the rows held out: a scorer, or the loss.

    Parameters
    ----------
    scorer : scorer or None
    params : dict
        The metadata that it is given, of all rows X.
    X, y : arrays, CSR matrices or tables
        What `shown` gives.
    est : estimator
        A draft, which has learnt of the data.
    """

    def __init__(self, scorer, params, X, y, est):
        self.scorer, self.params, self.X, self.y, self.est = scorer, params, X, y, est
        if scorer is not None and is_classifier(est):
            self.scorer = _knowing(scorer, est.classes_)

    def of_fold(self, held, rows, K):
        """A function of solved Heads that gives their score on the rows of these numbers, whose table is `held`."""
        if self.scorer is None:
            from fastsgd.solvers.path import HeldOut

            of_loss = HeldOut(held, K, self.est._heads_loss())
            return lambda heads: -of_loss.loss(heads.W, heads.b)
        scored = self.of_rows(rows)
        return lambda heads: scored(self.est._model(heads))

    def of_rows(self, rows):
        """A function of the attributes of a model that gives its score by the scorer on the rows of these numbers."""
        given = _check_method_params(self.X, self.params, indices=rows)
        return self.by_scorer(_safe_indexing(self.X, rows), _safe_indexing(self.y, rows), given)

    def by_scorer(self, X, y, params):
        """As `of_rows`, on other rows, with the metadata of these."""

        def scored(attributes):
            est = plain(self.est)
            vars(est).update(attributes)
            found = self.scorer(est, X, y, **params)
            try:
                return float(found)
            except (TypeError, ValueError):
                raise ValueError(f"scoring must give a number, it gave {found!r}.") from None

        return scored


def folds(est, X, y, given):
    """[(rows to train on, rows held out)], as arrays of numbers; X and y are what `shown` gives.

    Raises
    ------
    ValueError
        cv is none, or gives a fold without rows.
    """
    splitter = check_cv(est.cv, y, classifier=is_classifier(est))
    made, n = [], X.shape[0]
    for train, test in splitter.split(X, y, **given):
        fold = tuple(_numbers(rows, n) for rows in (train, test))
        if not (len(fold[0]) and len(fold[1])):
            raise ValueError(
                f"fold {len(made)} of cv={est.cv!r} has {len(fold[0])} rows to train on and {len(fold[1])} held out: both need "
                "some."
            )
        made.append(fold)
    if not made:
        raise ValueError(f"cv={est.cv!r} gives no fold.")
    return made


def _numbers(rows, n):
    rows = np.asarray(rows)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    if len(rows) and not (rows.dtype.kind in "iu" and rows.min() >= 0 and rows.max() < n):
        raise ValueError(f"cv must give numbers of rows from 0 to {n - 1}, found {rows[:3].tolist()} ...")
    return rows.astype(np.intp)


def check_fold(f, train, test, y, s, targets):
    """Refuse a fold of one class, or without weight; train and test are numbers of rows, or masks."""
    for what, some in {"to train on": train, "held out": test}.items():
        if s is not None and not s[some].any():
            raise ValueError(f"all rows {what} in fold {f} of cv have a sample_weight of 0.")
    seen = y[train] if s is None else y[train][s[train] > 0]
    if targets.needs_classes and not targets.soft and (seen == seen[0]).all():
        raise ValueError(
            f"fold {f} of cv has only rows of class {seen[0]} to train on: shuffle the rows, or use StratifiedKFold."
        )


def means(scores):
    """The mean over the folds: infinite where a score is, NaN where one is NaN, or where two are infinite and differ."""
    with np.errstate(over="ignore", invalid="ignore"):
        return scores.mean(axis=0)


def best_candidate(scores, alphas, rule):
    """(index of the l1_ratio, index of the alpha, and so on) that a rule chooses.

    Parameters
    ----------
    scores : (folds, l1_ratios, alphas) or (folds, l1_ratios, alphas, eta0s)
        Higher is better; a candidate with a NaN is not chosen.
    alphas : (l1_ratios, alphas)
        Each row falls.
    rule : {"best", "one_standard_error"}
        The best mean score, of equal ones the largest alpha; or the largest alpha whose mean is no lower than that by more than
        its standard error, with all else the same.
    """
    mean = means(scores)
    if np.isnan(mean).all():
        raise ValueError("every mean score is NaN: nothing can be chosen by them.")
    best = np.argwhere(mean == np.nanmax(mean))
    ratio, alpha, *rest = max(map(tuple, best), key=lambda at: (alphas[at[:2]], *(-i for i in (at[0], *at[2:]))))
    if rule == "one_standard_error" and len(scores) > 1:
        of_best = scores[(slice(None), ratio, alpha, *rest)]
        error = of_best.std(ddof=1) / np.sqrt(len(scores)) if np.isfinite(of_best).all() else 0.0
        along = mean[(ratio, slice(None), *rest)]
        alpha = np.flatnonzero(along >= along[alpha] - error)[0]
    return tuple(map(int, (ratio, alpha, *rest)))


def results(scores, tried, **more):
    """`cv_results_`, with the names that `GridSearchCV` has.

    Parameters
    ----------
    scores : (folds, ...)
        Flattened, a number for each candidate.
    tried : dict of str to (candidates,) array
        The parameters.
    **more : (candidates,) arrays
        Further columns.
    """
    flat = scores.reshape(len(scores), -1)
    mean = means(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        std = flat.std(axis=0)
    none = np.isnan(mean)
    better = (mean[None, :] > mean[:, None]) | (none[:, None] & ~none[None, :])
    each = zip(*(values.tolist() for values in tried.values()), strict=True)
    return {
        **{f"param_{name}": values for name, values in tried.items()},
        "params": [dict(zip(tried, values, strict=True)) for values in each],
        **{f"split{k}_test_score": scored for k, scored in enumerate(flat)},
        "mean_test_score": mean,
        "std_test_score": std,
        "rank_test_score": (1 + better.sum(axis=1)).astype(np.int32),
        **more,
    }
