"""What users write, with types: `mypy` checks it, and no test runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastsgd
from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    SGDRegressorCV,
    losses,
    optimizers,
    schedules,
    sources,
    stopping,
)


def estimators(X: NDArray[np.float32], y: NDArray[np.float64]) -> None:
    clf = SGDClassifier(
        losses.Huber(0.5),
        penalty=None,
        learning_rate=schedules.Cosine(warmup=0.1),
        optimizer=optimizers.AdamW(beta2=0.99),
        stopping=["gradient", stopping.Objective(tol=1e-3)],
        batch_size="full",
        class_weight={0: 1.0, 1: 2.0},
        random_state=np.random.RandomState(0),
    )
    assert_type(clf.fit(X, y, X_val=X, y_val=y), SGDClassifier)
    assert_type(clf.partial_fit(X, y, classes=[0, 1]), SGDClassifier)
    assert_type(clf.predict(X), NDArray[Any])
    assert_type(clf.decision_function(X), NDArray[Any])
    assert_type(clf.score(X, y, sample_weight=np.ones(len(y))), float)
    assert_type(clf.sparsify(), SGDClassifier)
    assert_type(SGDRegressor("quantile", tol=None, average=100).fit(X, y), SGDRegressor)
    assert_type(SGDOneClassSVM(nu=0.1).fit(X).score_samples(X), NDArray[Any])
    assert_type(LinearClassifier(multi_class="multinomial").fit(X, y), LinearClassifier)
    assert_type(LinearRegressor(penalty="l1", n_jobs=2).fit(X.tolist(), y).predict(X), NDArray[Any])
    sure = SGDClassifier("log_loss", learning_rate="auto", n_bootstrap=20, n_splits=10).fit(X, y)
    assert_type(sure.std_errors("split"), NDArray[np.float64])
    assert_type(sure.predict_interval(X, 0.9, kind="margin", method="bootstrap"), NDArray[np.float64])
    sure.summary(0.9)
    chosen = SGDClassifierCV(alphas=[0.1, 0.01], eta0s=0.1, learning_rate="constant", halving=3, cv=3)
    assert_type(chosen.fit(X, y, groups=y), SGDClassifierCV)
    assert_type(SGDRegressorCV(alphas=5).fit(X, y, X_val=X, y_val=y).scores_, NDArray[Any])
    solved = LinearRegressor(penalty=None).fit(X, y)
    assert_type(solved.std_errors(robust="HC0"), NDArray[np.float64])
    assert_type(solved.predict_interval(X, 0.9, kind="new"), NDArray[np.float64])
    solved.summary(clusters=[0] * len(y))


def rows_from_elsewhere() -> None:
    def batches() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        yield np.ones((10, 2)), np.arange(10) % 2

    source = sources.from_parquet(["a.parquet", Path("b.parquet")], target="y").buffered(max_memory="1GB")
    assert_type(source, sources.Source)
    clf = SGDClassifier().fit(source)
    for part in sources.predict_batches(clf, sources.from_csv("a.csv", target="y", delimiter=";")):
        assert_type(part, NDArray[Any])
    SGDRegressor().partial_fit(sources.from_batches(batches, n_features=2))
    SGDRegressor().fit(sources.from_svmlight("a.svm", dtype=np.float64, zero_based=True))
    SGDRegressor().fit(sources.from_npy("X.npy", "y.npy"))


def files(clf: SGDClassifier) -> None:
    clf.save(Path("model"))
    fastsgd.load("model").to_onnx()
    SGDClassifier(callbacks=[fastsgd.Checkpoint("run", every_seconds=60)]).fit(
        np.eye(2), [0, 1], resume_from=Path("run")
    )


def parts(p: NDArray[np.float64]) -> None:
    assert_type(losses.LogLoss().slope(p, 1.0), NDArray[np.float64])
    assert_type(losses.check_loss(losses.Custom(lambda p, y: (p - y) ** 2, lambda p, y: 2 * (p - y))).convex, Any)
    assert_type(optimizers.get("adam").get_params(), dict[str, Any])
    assert_type(stopping.get("validation", tol=0.1)[0].fresh(), stopping.Stopping)
    fastsgd.inspection.plot_history({"one": SGDClassifier()}, x="seconds", y="objective", minus=0.1)
