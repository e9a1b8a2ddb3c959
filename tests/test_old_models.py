"""Model files of released versions can be read. `python tests/test_old_models.py` adds those of this version."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support import hostile

import fastsgd
from fastsgd.auto import AVERAGED, FLAT, HEAD, LOST, MEAN_OF_Y, RECORD, SPREAD, SQUARES, UNIT, USUAL, VISITS, B
from fastsgd.auto_softmax import SLOPES as SQUARED
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


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
def test_auto_goes_on_as_it_was_kept_in_0_1_0(multi_class, layout, tmp_path, monkeypatch):
    """There a head was 31 numbers, and a weight on CSR four, in units of X: one rule, which is that of later passes."""
    monkeypatch.setattr(fastsgd.auto, "NEWTON_COLUMNS", 0)  # There were no such steps.
    X = sp.random(300, 12, 0.3, random_state=0).toarray()
    y = np.digitize(X.sum(axis=1) + 0.2 * np.random.default_rng(0).standard_normal(300), [1.5, 2.0])
    how = dict(learning_rate="auto", max_iter=2, tol=None, random_state=0, multi_class=multi_class)
    est = fastsgd.SGDClassifier("log_loss", **how).fit(layout(X), y)
    est.save(tmp_path / "m")
    head, arrays = hostile.split((tmp_path / "m").read_bytes())
    heads = arrays["_state.auto.heads"]
    of_candidates = [B.start, B.start + AVERAGED, MEAN_OF_Y, FLAT, USUAL]
    numbers = [*(HEAD[name] for name in ("h", "total", "weight", "far", "owed", "curve")), *of_candidates]
    lost = np.zeros((3, 10))
    lost[:, 5 * (heads[0, LOST][1] < heads[0, LOST][0])] = -1.0
    arrays["_state.auto.heads"] = np.column_stack([heads[:, numbers], lost, heads[:, SPREAD]])
    if multi_class == "multinomial" and layout is sp.csr_matrix:
        arrays["_state.auto.columns"] = np.delete(arrays["_state.auto.columns"], SQUARED, axis=1)
    for name in ("recent", "grown"):
        del head["fitted"]["_state.auto.at"][name]
    if (records := arrays.get("_state.auto.records")) is not None:
        of_head = records.reshape(12, 3, RECORD)
        unit = of_head[..., [UNIT]]
        older = [of_head[..., [0, AVERAGED]] * unit, of_head[..., [SQUARES]] / unit**2, of_head[..., [VISITS]]]
        arrays["_state.auto.records"] = np.concatenate(older, axis=2).reshape(12, 12)
    (tmp_path / "older").write_bytes(hostile.join(head, arrays))
    old = fastsgd.load(tmp_path / "older")
    for one in (est, old):
        one.partial_fit(layout(X), y)
    assert old.auto_rule_.tolist() == est.auto_rule_.tolist() and old.auto_rule_[0].startswith("average")
    np.testing.assert_allclose(old.coef_, est.coef_, rtol=1e-9)
    np.testing.assert_allclose(old.intercept_, est.intercept_, rtol=1e-9)


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
