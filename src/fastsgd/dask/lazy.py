"""What fitted estimators do with collections: predictions that Dask computes when they are asked for, and scores."""

import inspect
from functools import wraps
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from fastsgd import persist
from fastsgd.dask.cluster import Cluster, checked_client
from fastsgd.dask.pieces import Partitioned, pieces
from fastsgd.dask.runners import LocalRunner
from fastsgd.dask.tasks import of_frame
from fastsgd.estimators import streams
from fastsgd.estimators.hints import Path
from fastsgd.estimators.learnt import Learnt
from fastsgd.estimators.parts import ClassifierParts, RegressorParts, needs_probabilities
from fastsgd.sources.base import Source
from fastsgd.sources.blocks import Checked, sound_labels
from fastsgd.sums import Scores, total

# The parameters that an estimator on a cluster has beside those of one machine: their type hints and defaults.
CLUSTER_PARAMETERS = {"client": (Any, None), "timeout": (float | None, 300.0), "round_timeout": (float | None, None)}


def is_spread(X):
    """Whether X lies in partitions, elsewhere."""
    return is_dask_collection(X) or isinstance(X, Partitioned)


def lazily(method):
    """A method of X that takes a collection, too: what it gives for each partition, as a dask array."""

    @wraps(method)
    def over(self, X):
        check_is_fitted(self)
        return by_partitions(self._predictor(), method.__name__, X) if is_spread(X) else method(self, X)

    return over


def by_partitions(local, method, X):
    """local.method(X) as a dask array, of the row chunks of X where it has some."""
    found = pieces(X, like=local)
    like = compared(local, found, X, method)
    vars(local).pop("feature_names_in_", None)
    model = dask.delayed(local, pure=False, traverse=False)
    if isinstance(X, da.Array):
        X = X.rechunk({1: -1})
        chunks = X.chunks[0], *((size,) for size in like.shape[1:])
        drop = None if like.ndim == 2 else 1
        given = {"model": model, "method": method, "like": like}
        return X.map_blocks(predicted, **given, chunks=chunks, drop_axis=drop, meta=like)
    made = dask.delayed(_predicted, pure=False)
    blocks = [made(piece, found.columns, model, method, like) for piece in found.delayed]
    shape = np.nan, *like.shape[1:]
    return da.concatenate([da.from_delayed(block, shape, meta=like) for block in blocks], allow_unknown_chunksizes=True)


def predicted(X, model, method, like):
    """Of a partition; `like` is what it is of no rows."""
    return np.asarray(getattr(model, method)(X), like.dtype) if X.shape[0] else like


def _predicted(piece, columns, *more):
    return predicted(values(piece.rows, columns), *more)


def compared(local, found, X, method="predict"):
    """What the method gives of no rows. The features of Pieces have been compared with those of fit, by names and number, as
    those of rows in memory are: here, and once, whatever the number of partitions."""
    if found.n_features not in (None, local.n_features_in_):
        raise ValueError(
            f"X has {found.n_features} features, but {type(local).__name__} is expecting {local.n_features_in_} features."
        )
    row = np.zeros((1, local.n_features_in_), found.dtype)
    if isinstance(X, (Source, Partitioned)):
        row = Checked(row, None, None)  # Names were compared with the source.
    elif not isinstance(X, da.Array):
        row = type(X._meta)(row, columns=X.columns)
    return getattr(local, method)(row)[:0]


def values(rows, columns):
    """The values of a partition, for an estimator without names."""
    return of_frame(rows.X, columns) if hasattr(rows.X, "iloc") else rows.X


def of_cluster(cls):
    """Give an estimator the parameters of `_local`, the one of one machine, and those of a cluster."""
    local, only = inspect.signature(cls._local.__init__), inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter(name, only, default=default, annotation=hint)
        for name, (hint, default) in CLUSTER_PARAMETERS.items()
    ]
    signature = local.replace(parameters=[*local.parameters.values(), *own])

    def __init__(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        for name, value in list(given.arguments.items())[1:]:
            setattr(self, name, value)

    __init__.__signature__ = signature
    hints = {name: hint for name, (hint, _) in CLUSTER_PARAMETERS.items()}
    __init__.__annotations__ = cls._local.__init__.__annotations__ | hints
    cls.__init__ = __init__
    cls._parameter_constraints = cls._local._parameter_constraints | dict.fromkeys(CLUSTER_PARAMETERS, "no_validation")
    return cls


def _check_here(X, what):
    """Refuse rows that lie in partitions."""
    if is_spread(X):
        raise ValueError(f"{what} rows in memory: pass X.compute(), or one partition after another.")


class OnCluster:
    """What estimators on a cluster share; `_local` is the class of the same model on one machine.

    Attributes
    ----------
    client_ : distributed.Client
        That which a fit or a score would use.
    """

    def _runner(self):
        if isinstance(self.client, LocalRunner):  # Tests give one, which needs no cluster.
            return self.client
        return Cluster(self.client, self.timeout, self.round_timeout)

    @property
    def client_(self) -> Any:
        """The client of the cluster: the one that was given, or the one that is there."""
        return checked_client(self.client)

    def to_local(self) -> Any:
        """This estimator as that of `fastsgd` of the same name, with all that was learnt; it needs no cluster.

        Returns
        -------
        estimator
        """
        local = object.__new__(self._local)
        local.__setstate__({name: x for name, x in self.__getstate__().items() if name not in CLUSTER_PARAMETERS})
        return local

    @wraps(Learnt.contributions)
    def contributions(self, X, **given):
        _check_here(X, "contributions takes")
        return super().contributions(X, **given)

    def _features_of(self, data):
        _check_here(data, "data must be")
        return super()._features_of(data)

    def _predictor(self):
        """A fitted estimator of one machine with all that predictions need."""
        return self.to_local()

    def save(self, path: Path, *, training_state: bool = True) -> None:
        """Write this fitted estimator to a model file, as that of `fastsgd` of the same name: see `fastsgd.persist.save`.

        Parameters
        ----------
        path : str or path-like
        training_state : bool, default=True
            False: for prediction alone, in a smaller file.
        """
        persist.save(self.to_local(), path, training_state=training_state)

    def to_onnx(self) -> Any:
        """This fitted estimator as an `onnx.ModelProto` that predicts the same.

        Returns
        -------
        onnx.ModelProto
        """
        return persist.to_onnx(self.to_local())

    def __getstate__(self):
        """A pickle has no client: the connection is of this process."""
        state = super().__getstate__()
        return {**state, "client": None} if "client" in state else state

    def __sklearn_clone__(self):
        """One of the same parameters, and of the same client, which is not copied."""
        given = self.get_params(deep=False)
        copies = {name: clone(x, safe=False) for name, x in given.items() if name != "client"}
        return type(self)(**copies, client=given["client"])

    def _scores(self, X, y, sample_weight):
        """The Scores of a collection, added up on the cluster."""
        check_is_fitted(self)
        found, local = pieces(X, y, sample_weight, like=self), self._predictor()
        compared(local, found, X)
        vars(local).pop("feature_names_in_", None)
        with self._runner() as runner:
            out = scores(runner, runner.load(found.delayed, found.names), local, found.columns)
        if out is None:
            raise ValueError("X has no rows, or none with a weight: there is nothing to score.")
        return out


class ClassifierOnCluster(OnCluster):
    """Predictions and scores of a classifier."""

    decision_function = lazily(ClassifierParts.decision_function)
    predict = lazily(ClassifierParts.predict)
    predict_proba = needs_probabilities(lazily(ClassifierParts.predict_proba))
    predict_log_proba = needs_probabilities(lazily(ClassifierParts.predict_log_proba))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Share of the rows, by weight, whose label is predicted; of a collection worked out where it lies.

        Parameters
        ----------
        X : collection of shape (n_samples, n_features), or what an estimator of one machine takes
        y : collection or array-like of shape (n_samples,), default=None
            The true labels.
        sample_weight : collection or array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1.0 where all are right.
        """
        if is_spread(X):
            return streams.mean_accuracy(self._scores(X, y, sample_weight))
        return super().score(X, y, sample_weight)


class RegressorOnCluster(OnCluster):
    """Predictions and scores of a regressor."""

    predict = lazily(RegressorParts.predict)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination, R^2, mean over the targets; of a collection worked out where it lies.

        Parameters
        ----------
        X : collection of shape (n_samples, n_features), or what an estimator of one machine takes
        y : collection or array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The true targets.
        sample_weight : collection or array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1.0 at best, 0.0 of the mean of y, and below where it is worse than that.
        """
        if is_spread(X):
            return streams.mean_r2(self._scores(X, y, sample_weight))
        return super().score(X, y, sample_weight)


def scores(runner, parts, local, columns=None):
    """The Scores of a fitted estimator of one machine on parts that are Pieces; None of no rows that have a weight."""
    return total(found for found in runner.run(_scored, parts, local, columns) if found is not None)


def _scored(piece, local, columns):
    """The Scores of a partition."""
    X, y, weight = piece.rows
    if y is None:
        raise ValueError("it has no y, which is needed to score.")
    if not X.shape[0]:
        return None
    y = np.asarray(y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64).reshape(len(y))
    sound_labels(y, weight)
    if not weight.any():
        return None
    guess = local.predict(piece.rows if isinstance(piece.rows, Checked) else values(piece.rows, columns))
    if local._task == "regressor":
        return Scores.of_regression(y, guess, weight)
    right = accuracy_score(y, guess, normalize=False, sample_weight=weight)
    return Scores(len(y), float(weight.sum()), {"accuracy": np.atleast_1d(right)})
