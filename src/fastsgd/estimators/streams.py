"""A Source in place of X: what an estimator has to know of it before the first row, and how it asks for the rows."""

from contextlib import closing
from functools import wraps
from typing import cast

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from fastsgd.estimators.hints import Method
from fastsgd.sources.base import Source
from fastsgd.sources.blocks import Checked, blocks, naming, over_blocks
from fastsgd.sources.reading import as_in_fit
from fastsgd.sources.stream import Stream, in_memory
from fastsgd.sources.telling import tell
from fastsgd.sums import Labels, Scores, joined, total


class Surveyed:
    """What stands for y where it is not in memory.

    Attributes
    ----------
    n_rows : int or inf
    shape : tuple
        (n_rows,) or (n_rows, n_targets).
    soft : bool or None
        Whether they are probabilities; None where each buffer is looked at.
    classes, counts : arrays
        The sorted labels, and in how many rows each is; probabilities add up instead. None where they were not counted.
    """

    classes = counts = soft = None

    def __init__(self, n_rows, columns):
        self.n_rows = np.inf if n_rows is None else n_rows
        self.shape = (self.n_rows, *(() if columns == (1,) else columns))  # One column is raveled.

    @property
    def ndim(self):
        return len(self.shape)

    def __len__(self):
        return self.n_rows


def take(est, source, y, sample_weight, *, reset, names, once):
    """(X, y, weights) as `_check_data` returns them: arrays where a buffer holds all rows, else (source, Surveyed, None).

    Parameters
    ----------
    est : estimator
        With `reset` it learns the number and names of the features, else they are compared.
    once : bool
        Whether the rows are asked for a single time. Then nothing is counted, and none of them looked at before, unless
        the number of features or targets is not known otherwise.
    """
    name = names[0]
    check_own(y, sample_weight, names)
    if not reset or (est.warm_start and getattr(est, "reading_", None)):
        source = as_in_fit(est, source)
    if reset:
        source.warn()
    found = None
    if reset and not source.n_features:
        found = survey(est, source, once)
    rows = None if once else in_memory(source, source.n_features if reset else est.n_features_in_, est._targets().seen)
    if rows is not None:
        source.warn_late()
        return _arrays(est, source, rows, reset, names)
    if source.once and not once:
        raise ValueError(
            f"the source given as {name} can be read once, and is larger than its buffer (max_memory={source.max_memory} "
            "bytes). Use partial_fit, raise max_memory (`buffered`), or make the source of what can be read again."
        )
    if not est._streams:
        raise ValueError(
            f"{type(est).__name__} goes over the rows many times, and needs them in memory; the source is larger than its "
            f"buffer (max_memory={source.max_memory} bytes). Raise that by `buffered`, or use SGDClassifier or SGDRegressor."
        )
    if reset:
        found = found or survey(est, source, once)
        learn_features(est, source, source.n_features)
    else:
        found = Surveyed(source.n_rows, est._columns() if once else _columns(est, source))
    if name == "X" and source.n_blocks is None and est.shuffle and not once:
        tell(
            "the rows of this source come in an order of its own, and are shuffled only within a buffer of "
            f"max_memory={source.max_memory} bytes. If they are sorted, by label or by time, this trains badly: bring them "
            "into a random order first, or to a format that is read in blocks. shuffle=False silences this."
        )
    return source, found, None


def check_own(y, sample_weight, names=("X", "y")):
    """Refuse targets or weights beside those of a source."""
    if y is not None:
        raise ValueError(
            f"{names[0]} is a source, which has its own targets: {names[1]} must be None, got {type(y).__name__}."
        )
    if sample_weight is not None:
        raise ValueError(
            f"{names[0]} is a source, which has its own weights: give them to the source, not as sample_weight."
        )


def _arrays(est, source, rows, reset, names):
    """As `_check_data`, of all rows of a source."""
    if rows.y is None and est._targets().needs_y:
        raise ValueError(f"the source given as {names[0]} has no y, which is needed here.")
    source.labels_read = rows.segment
    X = rows.X if reset else Checked(*rows)  # The names of these have been compared.
    found = est._check_data(X, rows.y, rows.weight, reset=reset, names=names)
    if reset:
        learn_features(est, source, rows.X.shape[1])
    return found


def learn_features(est, source, n_features):
    """Set the attributes that say what X was."""
    if not n_features:
        raise ValueError("the rows of the source have 0 features, at least 1 is needed.")
    est.n_features_in_, est.reading_ = n_features, source.reading
    vars(est).pop("_label_columns", None)
    if source.label_columns:
        est._label_columns = source.label_columns
    vars(est).pop("feature_names_in_", None)
    if source.feature_names is not None:
        est.feature_names_in_ = np.asarray(source.feature_names, dtype=object)


def survey(est, source, once):
    """The Surveyed of a source, and its n_features: from a pass over its y and weights, unless all is known without."""
    targets = est._targets()
    classes = targets.needs_classes and not once
    if not targets.needs_y or not (classes or not source.n_features or (source.n_rows is None and not once)):
        if not source.n_features or (source.n_rows is None and not once):
            source.survey()
        return Surveyed(source.n_rows, _columns(est, source) if targets.needs_y and not targets.needs_classes else ())
    seen, shape, number, sizes = Labels(), (), 0, []
    for number, (y, weight) in enumerate(source.targets(), 1):
        sizes.append(0 if y is None else len(y))
        if y is not None and not len(y):
            continue
        with naming(source, number - 1):
            more, shape = targets.count(y, weight, seen.soft)
            seen += more
    if not seen.n_rows:
        raise ValueError("the source has no rows.")
    if not seen.weighed:
        raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
    source.n_rows, source.n_counted, source.counted = seen.n_rows, number, sizes
    if not source.n_features:
        source.survey()
    found = Surveyed(seen.n_rows, shape)
    if classes:
        found.soft, found.classes, found.counts = seen.soft, *seen.finish()
    return found


def _columns(est, source):
    """The shape of a row's y: () or (n_targets,)."""
    if source.target_shape is not None:
        return source.target_shape
    y, _ = next(iter(source.targets()), (None, None))
    if y is None:
        raise ValueError("the source has no y, which is needed here.")
    return y.shape[1:]


def stream(est, source, surveyed, targets):
    """The Stream of an estimator over a source."""
    numbered = bool(est.n_bootstrap or est.n_splits or est.max_iter == "auto")
    return Stream(source, est.n_features_in_, targets, surveyed.n_rows, tells=True, numbered=numbered)


# ---------------------------------------------------------------- prediction
def by_blocks(method: Method) -> Method:
    """Have a method of X take a source too: what it gives for each block, joined, without X in memory."""

    @wraps(method)
    def over(self, X):
        if not isinstance(X, Source):
            return method(self, X)
        check_is_fitted(self)
        return of_all_blocks(self, X, getattr(self, method.__name__))

    return cast(Method, over)


def of_all_blocks(est, source, function):
    """What a function of rows gives for each block of a source, joined."""
    parts = list(over_blocks(est, source, function))
    if not parts:
        raise ValueError("the source has no rows.")
    return np.concatenate(parts)


def _scored(est, source):
    """(y, prediction, weight) of the blocks."""
    check_is_fitted(est)
    source = as_in_fit(est, source)
    with closing(blocks(source, est.n_features_in_)) as read:
        for rows in read:
            if rows.y is None:
                raise ValueError("the source has no y, which is needed to score.")
            if rows.X.shape[0]:
                yield rows.y, est.predict(rows), np.ones(len(rows.y)) if rows.weight is None else rows.weight
    source.warn_late()


def accuracy(est, source):
    """Share of the rows, by weight, whose label is predicted."""
    found = total(
        Scores(len(y), weight.sum(), {"accuracy": accuracy_score(y, guess, normalize=False, sample_weight=weight)})
        for y, guess, weight in _scored(est, source)
    )
    return mean_accuracy(found)


def mean_accuracy(found):
    """Share of the rows, by weight, that are right: Scores of "accuracy", or None of no rows."""
    return found.finish()["accuracy"] if found else float("nan")


def r2(est, source):
    """Coefficient of determination, mean over the targets, as `sklearn.metrics.r2_score`."""
    return mean_r2(total(Scores.of_regression(*block) for block in _scored(est, source)))


def mean_r2(found):
    """That of Scores of a regression, or None of no rows."""
    if not (found and found.weight > 0):
        return float("nan")
    constant = np.where(found.sums["squared"] > 0, 0.0, 1.0)
    score = found.r2()
    return float(np.mean(np.where(np.isnan(score), constant, score)))


def all_targets(source):
    """(y, weights) of all rows, for a scorer that takes them at once; weights are None for ones."""
    ys, weights = zip(*source.targets(), strict=True)
    if any(y is None for y in ys):
        raise ValueError("the source given as X_val has no y, which is needed to score.")
    if all(weight is None for weight in weights):
        return joined(ys), None
    each = [np.ones(len(y)) if weight is None else weight for y, weight in zip(ys, weights, strict=True)]
    return joined(ys), np.concatenate(each)
