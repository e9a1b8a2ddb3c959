"""`fastsgd evaluate`: the scores are scikit-learn's, in one pass and bounded memory."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from support.cli import folder_of_files  # noqa: F401 (a fixture)

import fastsgd
from fastsgd.cli import main

pytest.importorskip("typer")
from fastsgd.cli import ranks

RNG = np.random.default_rng(0)
N = 3000
X = RNG.standard_normal((N, 3))
DATA = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
    two=np.where(X[:, 0] + RNG.standard_normal(N) > 0.5, "yes", "no"),
    three=np.array(["u", "v", "w"])[(2 * X + RNG.gumbel(size=(N, 3))).argmax(axis=1)],
    count=RNG.poisson(np.exp(0.5 * X[:, 0])),
    size=np.exp(0.5 * X[:, 0]) * RNG.gamma(2.0, 0.5, N) + 1e-9,
    w=RNG.random(N),
)
ROWS = DATA[["a", "b", "c"]].astype(np.float32)
FEATURES = ["--columns", "a", "--columns", "b", "--columns", "c"]


@pytest.fixture
def scores(here, capsys):
    DATA.to_parquet("d.parquet", row_group_size=500)

    def run(target, *flags, evaluate=()):
        assert main(["train", "d.parquet", "--target", target, *FEATURES, "--model", "m", "-q", *flags]) == 0
        assert main(["evaluate", "d.parquet", "--model", "m", "--json", *evaluate]) == 0
        return json.loads(capsys.readouterr().out), fastsgd.load("m")

    return run


def check_classification(found, est, y, chosen, weight=None):
    how = {"sample_weight": weight}
    close = {"rel": 1e-6}
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, chosen, **how), **close)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, chosen, **how), **close)
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(y, chosen, average="macro", **how), **close)
    np.testing.assert_allclose(found["confusion"], metrics.confusion_matrix(y, chosen, **how), rtol=1e-6)
    report = metrics.classification_report(y, chosen, output_dict=True, **how)
    for one in found["classes"]:
        theirs = report[str(one["class"])]
        assert one["precision"] == pytest.approx(theirs["precision"], **close)
        assert one["recall"] == pytest.approx(theirs["recall"], **close) and one["f1"] == pytest.approx(
            theirs["f1-score"], **close
        )
        assert one["weight"] == pytest.approx(theirs["support"], **close)


@pytest.mark.parametrize("weights", [True, False])
def test_scores_of_two_classes_are_those_of_scikit_learn(scores, weights):
    found, est = scores("two", *(["--weight", "w"] if weights else []))
    weight, y, p = DATA["w"] if weights else None, DATA["two"], est.predict_proba(ROWS)
    check_classification(found, est, y, est.predict(ROWS), weight)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p, sample_weight=weight), rel=1e-5)
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y == "yes", p[:, 1], sample_weight=weight), rel=1e-6)


def test_scores_of_three_classes_are_those_of_scikit_learn(scores):
    found, est = scores("three", "--multi-class", "multinomial")
    p = est.predict_proba(ROWS)
    check_classification(found, est, DATA["three"], est.classes_[p.argmax(axis=1)])
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(DATA["three"], p, multi_class="ovr"), rel=1e-6)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(DATA["three"], p), rel=1e-5)


def test_calibration_is_of_deciles_of_the_probability(scores):
    found, est = scores("two")
    p = est.predict_proba(ROWS)[:, 1]
    by_p = np.array_split(np.argsort(p, kind="stable"), 10)
    assert [one["weight"] for one in found["calibration"]] == [N / 10] * 10
    for rows, one in zip(by_p, found["calibration"], strict=True):
        assert one["predicted"] == pytest.approx(p[rows].mean(), rel=1e-5)
        assert one["observed"] == pytest.approx((DATA["two"][rows] == "yes").mean(), rel=1e-6)
    off = [abs(one["predicted"] - one["observed"]) for one in found["calibration"]]
    assert found["calibration_error"] == pytest.approx(np.mean(off))


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_a_threshold_is_from_where_the_second_class_is_predicted(scores, loss):
    found, est = scores("two", "--loss", loss, evaluate=["--threshold", "0.3"])
    x = ROWS
    score = est.predict_proba(x)[:, 1] if loss == "log_loss" else est.decision_function(x)
    check_classification(found, est, DATA["two"], np.where(score >= 0.3, "yes", "no"))
    assert found["threshold"] == 0.3 and ("calibration" in found) == (loss == "log_loss")


def test_a_threshold_of_other_models_is_refused(scores, capsys):
    scores("three")
    assert main(["evaluate", "d.parquet", "--model", "m", "--threshold", "0.5"]) == 1
    assert "--threshold is for two classes, and the model has 3" in capsys.readouterr().err
    scores("count", "--loss", "poisson")
    assert main(["evaluate", "d.parquet", "--model", "m", "--threshold", "0.5"]) == 1
    assert "--threshold is for two classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loss", "target", "theirs", "d2"),
    [
        ("poisson", "count", metrics.mean_poisson_deviance, lambda *a, **k: metrics.d2_tweedie_score(*a, power=1, **k)),
        ("gamma", "size", metrics.mean_gamma_deviance, lambda *a, **k: metrics.d2_tweedie_score(*a, power=2, **k)),
    ],
)
def test_deviances_are_those_of_scikit_learn(scores, loss, target, theirs, d2):
    found, est = scores(target, "--loss", loss, "--weight", "w")
    mu = est.predict(ROWS).astype(float)
    assert found["deviance"] == pytest.approx(theirs(DATA[target], mu, sample_weight=DATA["w"]), rel=1e-5)
    assert found["deviance_explained"] == pytest.approx(d2(DATA[target], mu, sample_weight=DATA["w"]), rel=1e-4)
    assert found["mean_absolute_error"] == pytest.approx(
        metrics.mean_absolute_error(DATA[target], mu, sample_weight=DATA["w"]), rel=1e-5
    )


def test_the_mean_of_the_loss_is_scored(scores):
    found, est = scores("size", "--loss", "quantile")
    predicted = est.predict(ROWS)
    assert found["loss"] == pytest.approx(metrics.mean_pinball_loss(DATA["size"], predicted), rel=1e-5)
    assert "deviance" not in found


def test_the_model_knows_the_columns_of_targets_and_weights(scores, capsys):
    found, _ = scores("two", "--weight", "w")
    for named in (["--target", "two"], ["--target", "two", "--weight", "w"]):
        assert main(["evaluate", "d.parquet", "--model", "m", "--json", *named]) == 0
        assert json.loads(capsys.readouterr().out) == found
    DATA.drop(columns="w").to_csv("plain.csv", index=False)  # whose rows all count the same
    assert main(["evaluate", "plain.csv", "--model", "m", "--json"]) == 0
    assert sum(one["weight"] for one in json.loads(capsys.readouterr().out)["classes"]) == N
    assert main(["diagnose", "d.parquet", "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]
    DATA[["a", "b", "c"]].to_csv("bare.csv", index=False)
    assert main(["predict", "bare.csv", "--model", "m"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == N
    assert main(["evaluate", "bare.csv", "--model", "m"]) == 1
    assert "there is no column 'two' in bare.csv" in capsys.readouterr().err


def test_tables_of_few_classes_are_shown(scores, capsys):
    scores("two")
    assert main(["evaluate", "d.parquet", "--model", "m"]) == 0
    said = capsys.readouterr().out
    for words in ("balanced_accuracy", "roc_auc", "classes", "confusion", "calibration: probability of yes"):
        assert words in said


@pytest.mark.parametrize("order", ["drawn", "sorted"])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e4])
def test_ranks_of_more_rows_than_are_kept_are_close(order, scale):
    g = np.random.default_rng(1)
    y = g.random(200_000) < 0.3
    score = scale * (g.standard_normal(len(y)) + y)
    at = np.argsort(score) if order == "sorted" else np.arange(len(y))
    exact, binned = ranks.Ranked(), ranks.Ranked(1 << 16)
    for some in np.array_split(at, 50):
        for one in (exact, binned):
            one.add(score[some], y[some] * 1.0, ~y[some] * 1.0)
    auc = metrics.roc_auc_score(y, score)
    assert ranks.area(*exact.finish()) == pytest.approx(auc, rel=1e-12)
    assert ranks.area(*binned.finish()) == pytest.approx(auc, abs=0.002 if order == "sorted" else 1e-4)
    assert binned.finish().sum() == len(y) and binned.finish().shape[1] < 1 << 13


def test_ranks_of_one_class_have_no_area():
    one = ranks.Ranked()
    one.add(np.arange(3.0), np.ones(3), np.zeros(3))
    assert ranks.area(*one.finish()) is None
    assert ranks.calibration_error([]) is None
