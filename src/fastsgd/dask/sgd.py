"""SGDClassifier and SGDRegressor on a cluster: in each round every partition makes a pass over its rows."""

import inspect
from typing import Any, NamedTuple

import numpy as np

from fastsgd import estimators, objective, schedules
from fastsgd.dask.lazy import CLUSTER_PARAMETERS, ClassifierOnCluster, RegressorOnCluster, of_cluster, scores
from fastsgd.dask.passes import Passes
from fastsgd.dask.spread import Loaded, load
from fastsgd.estimators import contested, streams

# Parameters that must have one of these values, and what to do instead.
ONLY = {
    "early_stopping": ((False,), "rows are not split off there; give the validation rows to fit, as X_val and y_val."),
    "n_jobs": ((None, 1), "a task has one thread, and a worker as many tasks at once as Dask gives it threads."),
    "n_bootstrap": ((0,), "models beside a model are trained on one machine alone."),
    "n_splits": ((0,), "models beside a model are trained on one machine alone."),
    "half_life": (
        (None,),
        "partitions are learnt from at the same time, so that there is no order in which rows could fade; train on one machine, "
        "from a source.",
    ),
    "parallel": (("deterministic",), "that is about the threads of one machine; leave it as it is."),
}


class Given(NamedTuple):
    """What a user gives as X and weights, and who computes it."""

    runner: Any
    X: Any
    weight: Any = None


class InPasses:
    """Training in rounds. It comes before the estimator of this machine among the bases, whose training it is."""

    def _check_params(self):
        super()._check_params()
        for name, (right, words) in ONLY.items():
            if getattr(self, name, right[0]) not in right:
                raise ValueError(f"{name}={getattr(self, name)!r} is not for a cluster: {words}")
        contested.refuse(self, "a cluster does")
        if self.max_iter == "auto":
            raise ValueError(
                "max_iter='auto' is not for a cluster: models that leave rows out are trained on one machine alone. Give a "
                "number, such as max_iter=1 for many rows."
            )
        if self.multi_class == "multinomial" and schedules.get(self.learning_rate).auto:
            raise ValueError(
                "learning_rate='auto' with multi_class='multinomial' is not for a cluster: take multi_class='ovr', or "
                "optimizer='adagrad' with learning_rate='constant' and eta0=0.1."
            )
        if self.batch_size == "full" and not getattr(self.optimizer, "line_search", False):
            raise ValueError(
                "batch_size='full' is not for a cluster, where a batch is of rows of one partition: give a number, or "
                "optimizers.SGD(line_search=True)."
            )
        if getattr(self, "_skl_callbacks", None):
            raise ValueError(
                "scikit-learn's callbacks (set_callbacks) are not called on a cluster: give callables as callbacks."
            )
        if not (self.validation_scoring is None or self.validation_scoring == "loss"):
            raise ValueError(
                f"validation_scoring={self.validation_scoring!r} needs all predictions in one place: on a cluster it must be "
                "None or 'loss'."
            )

    def _fit(
        self, X, y, sample_weight, init, validation=(None, None, None), resume_from=None, segments=None, asked=None
    ):
        if segments is not None:
            raise ValueError(
                "segments are not for a cluster: fit the estimator of one machine, or one on the cluster for each segment."
            )
        _check_asked(asked)
        X_val, y_val, s_val = validation
        if X_val is None and (y_val is not None or s_val is not None):
            raise ValueError("y_val or sample_weight_val is given without X_val: give both, or neither.")
        with self._runner() as runner:
            given = (None, None, None) if X_val is None else (Given(runner, X_val, s_val), y_val, None)
            return super()._fit(Given(runner, X, sample_weight), y, None, init, given, resume_from, asked=asked)

    def _partial_fit(self, X, y, sample_weight, classes=None, asked=None):
        _check_asked(asked)
        with self._runner() as runner:
            return super()._partial_fit(Given(runner, X, sample_weight), y, None, classes, asked)

    def _as_kept(self, lanes):
        params = {name: x for name, x in self.get_params(deep=False).items() if name not in CLUSTER_PARAMETERS}
        return super()._as_kept(1)._replace(params=params)  # The data say in how many partitions they are.

    def _lanes(self, plan, table, state, plans=()):
        return Passes(len(table.parts))

    def _score(self, held_out, plan):
        if self.validation_scoring == "loss":
            return lambda moment: -objective.loss_of(held_out.table, plan, *moment.model)
        rows, mean = held_out.X, streams.mean_r2 if self._task == "regressor" else streams.mean_accuracy
        return lambda moment: mean(scores(rows.runner, rows.parts, self._fitted_copy(moment)._predictor()))

    # ------------------------------------------------------------ data
    def _check_data(self, X, y, sample_weight, reset=False, names=("X", "y"), once=False):
        """As that of other estimators: (Loaded, Surveyed, None), of a Given."""
        names = (*names, "sample_weight" if names[0] == "X" else "sample_weight_val")
        rows, seen = load(X.runner, (X.X, y, X.weight), self._targets(), names, None if reset else self)
        if reset:
            self.n_features_in_, self.reading_ = rows.shape[1], rows.reading
            vars(self).pop("_label_columns", None)
            if rows.label_columns:
                self._label_columns = rows.label_columns
            vars(self).pop("feature_names_in_", None)
            if rows.columns is not None:
                self.feature_names_in_ = np.asarray(rows.columns, dtype=object)
        return rows, seen, None

    def _rows_of(self, X, y, s, targets):
        """As that of other estimators: a Spread, of what is Loaded."""
        return X.table(targets) if isinstance(X, Loaded) else super()._rows_of(X, y, s, targets)

    # ------------------------------------------------------------ elsewhere
    def to_local(self) -> Any:
        """This estimator as that of `fastsgd` of the same name, with all that was learnt; it needs no cluster.

        Returns
        -------
        estimator
        """
        local = super().to_local()
        if hasattr(local, "_state"):  # else it is not fitted
            local._state = local._state.copy()
        return local

    def _predictor(self):
        """A fitted estimator of this machine without the state, which takes several times the room of its model."""
        model = self._local(loss=self.loss, epsilon=self.epsilon)
        if hasattr(self, "multi_class"):
            model.multi_class = self.multi_class
        vars(model).update({name: x for name, x in vars(self).items() if name in self._learnt})
        vars(model).update(zip(self._names, self._weights(), strict=True))
        return model


def _check_asked(asked):
    """Refuse a record of single steps, which workers make apart from each other."""
    if asked is not None and asked.every is not None:
        raise ValueError(
            f"record_every={asked.every} is not for a cluster, whose partitions make their steps apart from each other: give "
            "record_every='epoch'."
        )


OF_CLUSTER = """
    All parameters and attributes are those of the estimator of `fastsgd` of this name, whose training this is. X is a dask array
    (dense, or of CSR blocks), a dask dataframe, or a source of fastsgd, which workers read (`fastsgd.dask.partitioned`); y and
    the weights have the same partitions. In each of `max_iter` rounds every partition makes a pass over its rows, from the
    same state, and their states become one: with learning_rate="auto", and with AdaGrad and FTRL, a weight is the mean by
    the curvature that the rows of each partition have added to it, else by their steps. The same partitions and `random_state`
    give the same bits, whatever the workers, their number, and those that die meanwhile. `partial_fit` is a round. With
    shuffle="replace" each partition draws from its own rows.

    Parameters
    ----------
    {parameters}
        As there.
    client : distributed.Client or None, default=None
        The cluster; None is the default client.
    timeout : float or None, default=300.0
        Seconds to wait for workers where there are none any more; None waits for ever.
    round_timeout : float or None, default=None
        Seconds without a result after which what hangs is done elsewhere; None is by the rounds before, at least a minute.

    Notes
    -----
    Not there: early_stopping (give X_val), n_jobs, parallel="hogwild", batch_size="full" without a line search, and a
    validation_scoring other than None and "loss".

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from distributed import Client
    >>> from fastsgd.dask import {name}
    >>> X = da.from_array(np.random.default_rng(0).standard_normal((2000, 3)), chunks=(500, 3))
    >>> y = X @ np.array([1.0, -2.0, 0.5]){more}
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None):
    ...     est = {name}(learning_rate="auto", max_iter=2, tol=None, random_state=0).fit(X, y)
    >>> est.coef_.shape, est.n_iter_
    {shown}
    """


def described(local):
    """The docstring of the estimator on a cluster that trains as `local` does on one machine."""
    names = ", ".join(list(inspect.signature(local).parameters))
    more, shown = (" > 0.0", "((1, 3), 2)") if local._task == "classifier" else ("", "((3,), 2)")
    text = OF_CLUSTER.format(parameters=names, name=local.__name__, more=more, shown=shown)
    return f"`fastsgd.{local.__name__}` on a cluster of Dask.\n{text}"


@of_cluster
class SGDClassifier(InPasses, ClassifierOnCluster, estimators.SGDClassifier):
    __doc__ = described(estimators.SGDClassifier)

    _local = estimators.SGDClassifier


@of_cluster
class SGDRegressor(InPasses, RegressorOnCluster, estimators.SGDRegressor):
    __doc__ = described(estimators.SGDRegressor)

    _local = estimators.SGDRegressor
