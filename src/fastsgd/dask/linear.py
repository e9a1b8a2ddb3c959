"""LinearClassifier and LinearRegressor on a cluster: the objective solved to a certificate, in rounds over the partitions."""

from functools import wraps
from typing import Any, Self

import numpy as np

from fastsgd import estimators, penalties
from fastsgd.dask.lazy import ClassifierOnCluster, RegressorOnCluster, is_spread, of_cluster
from fastsgd.dask.spread import load
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.intervals import Intervals
from fastsgd.estimators.validation import drawn_seed
from fastsgd.losses import get

# What to take instead of a loss without curvature.
SMOOTH = {
    "hinge": "'squared_hinge' or 'modified_huber'",
    "epsilon_insensitive": "'squared_epsilon_insensitive' or 'huber'",
    "quantile": "'huber' (for the median)",
}


class _InRounds:
    """Between a collection and `solvers.rounds`."""

    _passes = "rounds"

    def _check_params(self):
        super()._check_params()
        loss, name = get(self.loss), type(self).__name__.replace("Linear", "SGD")
        if not loss.offers("second"):
            raise ValueError(
                f"loss={loss.name!r} has no curvature, without which a round brings little. On a cluster take loss="
                f"{SMOOTH[loss.name]}, or fastsgd.dask.{name} with this one."
            )
        if getattr(self, "multi_class", "ovr") != "ovr":
            raise ValueError(
                f"multi_class={self.multi_class!r} is not there on a cluster: take 'ovr', one class against the rest, or "
                f"fastsgd.dask.{name}."
            )
        if self.solver != "auto":
            raise ValueError(
                f"solver={self.solver!r} is not there on a cluster: take solver='auto', whose rounds end with a certificate."
            )
        if self.n_jobs not in (None, 1):
            raise ValueError(
                f"n_jobs must be None on a cluster, got {self.n_jobs!r}: a task has one thread, and a worker as many "
                "tasks at once as Dask gives it threads."
            )
        if getattr(self, "_skl_callbacks", None):
            raise ValueError(
                "scikit-learn's callbacks (set_callbacks) are not called on a cluster: give callables as callbacks."
            )

    def _fit(self, X, y, sample_weight):
        from fastsgd.solvers.heads import Task
        from fastsgd.solvers.rounds import Rounds

        self._check_params()
        est = self._draft()
        with self._runner() as runner:
            loaded, surveyed = load(runner, (X, y, sample_weight), est._targets())
            est._learn_features(loaded)
            targets = est._learn(surveyed)
            task = Task(
                est._heads_loss(),
                *penalties.weights(self.penalty, self.alpha, self.l1_ratio),
                self.fit_intercept,
                self.tol,
                self.max_iter,
                seed=drawn_seed(self.random_state),
            )
            start, each = self._start(loaded.shape, targets.heads), est._listener(lambda heads: False)
            run = loaded.table(targets, dense=loaded.full).run
            rounds = Rounds(run, loaded.shape, loaded.dtype, targets.heads, task, each, start).run()
        est._fit_to(rounds)
        self.__dict__ = self._as_drafted(est)
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt("fit was interrupted; the estimator holds the model of that moment")
        self._warn(rounds)
        return self

    def _learn_features(self, loaded):
        """Set the attributes that say what X was."""
        self.n_features_in_ = loaded.shape[1]
        vars(self).pop("feature_names_in_", None)
        vars(self).pop("reading_", None)
        vars(self).pop("_label_columns", None)
        if loaded.label_columns:
            self._label_columns = loaded.label_columns
        if loaded.columns is not None:
            self.feature_names_in_ = np.asarray(loaded.columns, dtype=object)
        if loaded.reading:
            self.reading_ = loaded.reading

    def _fit_to(self, heads):
        super()._fit_to(heads)
        self.n_iter_ = heads.rounds

    def _covariances(self, robust, clusters, *rows):
        if rows[0] is None or any(is_spread(one) for one in rows):
            raise ValueError(
                "standard errors are worked out in this process, of rows in memory: pass the rows of the fit as X=, y= and "
                "sample_weight= (predict_interval: rows=), of a collection X.compute(). Where they don't fit, take "
                f"fastsgd.{type(self).__name__} and a sample of them."
            )
        return super()._covariances(robust, clusters, *rows)

    @wraps(Intervals.predict_interval)
    def predict_interval(self, X, *args, **given):
        if is_spread(X):
            raise ValueError("predict_interval takes rows in memory: pass X.compute(), or one partition after another.")
        return super().predict_interval(X, *args, **given)

    def _print(self, heads, report):
        of = f", head {report.head + 1} of {heads.K}" if heads.K > 1 else ""
        objective, gap, seconds = report.passes[-1]
        print(f"round {heads.rounds}{of}: objective {objective:.6g}, gap {gap:.3g}, {seconds:.2f} s")


@of_cluster
class LinearClassifier(_InRounds, ClassifierOnCluster, estimators.LinearClassifier):
    """`fastsgd.LinearClassifier` on a cluster of Dask.

    The objective is the same, and so is the certificate: `dual_gap_` is proven of all rows, wherever they lie. A fit is some
    rounds; in each, every partition gives its share of sums, which are added in the order of the partitions. So the same
    partitions and `random_state` give the same bits, whatever the workers, their number, and those that die meanwhile.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "modified_huber"} or such an object of fastsgd.losses, default="log_loss"
    penalty, alpha, l1_ratio, fit_intercept, tol, class_weight, random_state, warm_start, callbacks
        As in `fastsgd.LinearClassifier`. Callbacks are called after each round, where `fit` was called.
    max_iter : int, default=1000
        Rounds at most for each class, after the first one.
    multi_class : {"ovr"}, default="ovr"
        One class against the rest; all are solved in the same rounds.
    n_jobs : None
        A task has one thread.
    verbose : int, default=0
        1 prints a line a round.
    client : distributed.Client or None, default=None
        The cluster; None is the default client.
    timeout : float or None, default=300.0
        Seconds to wait for workers where there are none any more; None waits for ever.
    round_timeout : float or None, default=None
        Seconds without a result after which what hangs is done elsewhere; None is by the rounds before, at least a minute.

    Attributes
    ----------
    coef_, intercept_, classes_, dual_gap_, stop_reason_, n_features_in_, feature_names_in_
        As those of `fastsgd.LinearClassifier`.
    n_iter_ : int
        Rounds, that of the moments of the columns included.
    history_ : structured array
        One record a round and class: epoch, the number of the round; head, objective, gap (F - D), seconds.

    See Also
    --------
    fastsgd.LinearClassifier : on one machine.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from distributed import Client
    >>> from fastsgd.dask import LinearClassifier
    >>> X = da.from_array(np.random.default_rng(0).standard_normal((2000, 3)), chunks=(500, 3))
    >>> y = X @ np.array([1.0, -2.0, 0.5]) > 0.0
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None):
    ...     clf = LinearClassifier(alpha=0.01, tol=1e-3).fit(X, y)
    >>> clf.stop_reason_
    'certified'
    """

    _local = estimators.LinearClassifier

    @one_at_a_time
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Solve it.

        Parameters
        ----------
        X : dask array (dense, or of CSR blocks) or dataframe of shape (n_samples, n_features), or `fastsgd.dask.partitioned`
        y, sample_weight : dask array, series or array-like of shape (n_samples,)
            In the row chunks of X, or in memory where these are known; None where a source has its own.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data; it names the partition.
        fastsgd.dask.runners.PartitionError
            A partition has no result: its data are lost, or it takes its workers with it.
        fastsgd.dask.cluster.ClusterError
            There has been no worker for `timeout` seconds, or the scheduler is gone.
        KeyboardInterrupt
            On Ctrl-C, once the estimator is fitted to what was done by then.
        """
        return self._fit(X, y, sample_weight)


@of_cluster
class LinearRegressor(_InRounds, RegressorOnCluster, estimators.LinearRegressor):
    """`fastsgd.LinearRegressor` on a cluster of Dask.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="squared_error"
        "squared_error", "huber", "squared_epsilon_insensitive", "poisson", "gamma".
    penalty, alpha, l1_ratio, fit_intercept, tol, random_state, warm_start, callbacks
        As in `fastsgd.LinearRegressor`.
    solver : {"auto"}, default="auto"
    max_iter, n_jobs, verbose, client, timeout, round_timeout
        As in `fastsgd.dask.LinearClassifier`.

    Attributes
    ----------
    coef_, intercept_, dual_gap_, stop_reason_, n_iter_, history_, n_features_in_, feature_names_in_
        As those of `fastsgd.dask.LinearClassifier`.

    See Also
    --------
    fastsgd.LinearRegressor : on one machine.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from distributed import Client
    >>> from fastsgd.dask import LinearRegressor
    >>> X = da.from_array(np.random.default_rng(0).standard_normal((2000, 3)), chunks=(500, 3))
    >>> y = X @ np.array([1.0, -2.0, 0.5])
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None):
    ...     reg = LinearRegressor("huber", alpha=1e-3).fit(X, y)
    >>> reg.stop_reason_
    'certified'
    """

    _local = estimators.LinearRegressor

    @one_at_a_time
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Solve it: see `fastsgd.dask.LinearClassifier.fit`; y may have a column for each target.

        Parameters
        ----------
        X, y, sample_weight

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight)
