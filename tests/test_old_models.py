"""Model files of released versions can be read. `python tests/test_old_models.py` adds those of this version."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support import hostile

import fastsgd
from fastsgd.state import ZERO_WEIGHT_EXPONENT, State

FOLDER = Path(__file__).parent / "models"
PATHS = sorted(FOLDER.glob("*.safetensors"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_predicts_as_on_the_day_it_was_written(path):
    known = json.loads(path.with_suffix(".json").read_text("utf-8"))
    est, X = fastsgd.load(path), np.array(known["X"])
    score = est.predict if not hasattr(est, "decision_function") else est.decision_function
    np.testing.assert_allclose(score(X), known["score"], rtol=1e-5, atol=1e-6)
    y = np.array(known["y"])
    assert est.partial_fit(X, y).t_ == known["t"]
    np.testing.assert_allclose(score(X), known["score after a pass"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elastic_net_on_csr_goes_on_as_it_was_kept_in_0_1_0(dtype):
    """There what a weight of zero has received of L1 was in Q."""
    X = sp.random(300, 40, 0.2, format="csr", random_state=0, dtype=dtype)
    y = (np.asarray(X.sum(axis=1)).ravel() > 3.7) ^ (np.arange(300) % 3 == 0)
    est = fastsgd.SGDClassifier("log_loss", penalty="elasticnet", alpha=0.01, l1_ratio=0.5, shuffle=False)
    for _ in range(4):
        est.partial_fit(X, y, [False, True])
    state, zeros = est._state, (est.coef_ == 0).ravel() & (abs(est._state.W) < 1e-10).ravel()
    old = state.copy()
    old.Q[zeros] = np.ldexp(-state.W[zeros], -ZERO_WEIGHT_EXPONENT[state.W.dtype.itemsize])
    old.W[zeros] = 0
    assert state.soft and 0 < zeros.sum() < 40 and old.Q.any()
    new = State(**vars(old))
    np.testing.assert_array_equal(new.W, state.W)
    np.testing.assert_array_equal(new.Q, state.Q)


def write():
    """Models of every kind, with what they say of some rows."""
    FOLDER.mkdir(exist_ok=True)
    for number in (0, 2, 4, 5):
        est, data, y = list(hostile.models())[number]
        est = clone(est).set_params(max_iter=3, tol=None, stopping=None, eta0=0.01, random_state=0).fit(data, y)
        path = FOLDER / f"{fastsgd.__version__}-{number}.safetensors"
        est.save(path)
        X, y = hostile.X[:5], np.asarray(y)[:5]
        score = est.predict if not hasattr(est, "decision_function") else est.decision_function
        known = {"X": X.tolist(), "y": y.tolist(), "score": score(X).tolist()}
        known |= {"t": est.partial_fit(X, y).t_, "score after a pass": score(X).tolist()}
        path.with_suffix(".json").write_text(json.dumps(known) + "\n", "utf-8")


if __name__ == "__main__":
    write()
