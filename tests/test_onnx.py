"""ONNX models predict as the estimators do, to 1e-5, in onnxruntime."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.estimators.classifier import LOSSES
from fastsgd.estimators.regressor import LOSSES as TARGET_LOSSES

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5)).astype(np.float32)
TARGET = X @ [1.0, -2.0, 0.5, 0.0, 1.0] + 0.25
PLACE = (TARGET > 0) + (TARGET > 2).astype(int)
DTYPES = pytest.mark.parametrize("dtype", ["f4", "f8"])
SHORT = {"max_iter": 5, "tol": None, "random_state": 0}
WORDS = np.array(["nein", "ja", "größer"])


def run(est, rows=X):
    """The outputs by name, and a model that the checker takes and that is stored and read."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    stored = est.to_onnx().SerializeToString()
    session = runtime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("X", "tensor(float)", ["n", X.shape[1]])]
    return {o.name: value for o, value in zip(session.get_outputs(), session.run(None, {"X": rows}), strict=True)}


def close(found, wanted):
    assert found.shape == wanted.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * abs(wanted).max())


@DTYPES
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "loss, together", [*((loss, "ovr") for loss in LOSSES), ("log_loss", "multinomial"), ("hinge", "crammer_singer")]
)
def test_classifiers(loss, together, classes, dtype):
    y = WORDS[np.minimum(PLACE, classes - 1)]
    est = SGDClassifier(loss, multi_class=together, eta0=0.01, learning_rate="constant", **SHORT).fit(
        X.astype(dtype), y
    )
    out = run(est)
    assert out["label"].tolist() == est.predict(X).tolist()
    if hasattr(est, "predict_proba"):
        assert list(out) == ["label", "probabilities"]
        close(out["probabilities"], est.predict_proba(X))
    else:
        assert list(out) == ["label", "scores"]
        close(out["scores"], est.decision_function(X))


@DTYPES
@pytest.mark.parametrize("shift", [-1000.0, -50.0, -17.0, 17.0, 50.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_far_from_every_class(classes, shift, dtype):
    """They are tails of the logistic function, which the Sigmoid of runtimes cuts off, and quotients of such tails."""
    est = SGDClassifier("log_loss", **SHORT).fit(X.astype(dtype), np.minimum(PLACE, classes - 1))
    est.intercept_ = np.full(len(est.coef_), shift, dtype)
    found, wanted = run(est)["probabilities"], est.predict_proba(X.astype(dtype))
    assert found.shape == wanted.shape and found.dtype == np.float32
    # a margin of 1000 has six digits behind it in float32; below 1e-37 a float32 has fewer
    np.testing.assert_allclose(found, wanted, rtol=1e-5 if abs(shift) < 100 else 1e-3, atol=1e-37)


@pytest.mark.parametrize(
    "labels, dtype",
    [
        (WORDS, object),
        (WORDS.astype(object), object),
        (np.array([-5, 0, 100], np.int8), np.int64),
        (np.array([3, 4, 200], np.uint16), np.int64),
        (np.array([-1.0, 0.0, 2.0]), np.float64),
        (np.array([-1.0, 0.0, 2.0], np.float16), np.float32),
        (np.array([False, True, True]), np.bool_),
    ],
    ids=str,
)
def test_labels(labels, dtype):
    est = SGDClassifier(**SHORT).fit(X, labels[PLACE])
    label = run(est)["label"]
    assert label.dtype == dtype and label.tolist() == est.predict(X).tolist()


@DTYPES
@pytest.mark.parametrize("loss", TARGET_LOSSES)
@pytest.mark.parametrize("shape", [(-1,), (-1, 2)])
def test_regressors(loss, shape, dtype):
    y = np.exp(TARGET / 4)
    y = y.reshape(shape) if shape != (-1, 2) else np.column_stack([y, 2 * y])
    est = SGDRegressor(loss, **SHORT).fit(X.astype(dtype), y)
    out = run(est)
    assert list(out) == ["variable"]
    close(out["variable"], est.predict(X))


def test_a_log_link_far_out_stays_finite():
    est = SGDRegressor("poisson", **SHORT).fit(X, np.exp(TARGET / 4))
    assert np.isfinite(run(est, 1e6 * X)["variable"]).all()


@DTYPES
def test_one_class(dtype):
    est = SGDOneClassSVM(**SHORT).fit(X.astype(dtype))
    out = run(est)
    assert list(out) == ["label", "scores"] and set(out["label"]) <= {-1, 1}
    assert out["label"].tolist() == est.predict(X).tolist()
    close(out["scores"], est.decision_function(X))


def test_standardised_far_from_zero_and_sparsified():
    """The coefficients are of float64, and so is what is calculated."""
    far = (X + np.array([0, 1e4, 0, -1e3, 0])).astype(np.float32)
    est = SGDRegressor(standardize=True, **SHORT).fit(far.astype(float), TARGET)
    close(run(est, far)["variable"], est.predict(far.astype(float)))
    dense = run(est)["variable"]
    est.sparsify()
    assert sp.issparse(est.coef_) and (run(est)["variable"] == dense).all()


def test_what_can_not_be_exported(monkeypatch):
    with pytest.raises(NotFittedError):
        SGDClassifier().to_onnx()
    est = SGDClassifier(**SHORT).fit(X, np.array([0, 1, 2**63 + 2**62], np.uint64)[PLACE])
    with pytest.raises(ValueError, match="classes_ must be integers of 64 bits"):
        est.to_onnx()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastsgd\[onnx\]"'):
        est.to_onnx()


@DTYPES
@pytest.mark.parametrize("together", ["ovr", "multinomial"])
def test_a_solved_classifier(together, dtype):
    est = LinearClassifier(multi_class=together, alpha=0.01).fit(X.astype(dtype), WORDS[PLACE])
    out = run(est)
    assert out["label"].tolist() == est.predict(X).tolist()
    close(out["probabilities"], est.predict_proba(X))


@pytest.mark.parametrize("y", [TARGET, np.column_stack([TARGET, -TARGET])], ids=["one", "two"])
def test_a_solved_regressor(y):
    est = LinearRegressor("huber").fit(X, y)
    close(run(est)["variable"], est.predict(X))
