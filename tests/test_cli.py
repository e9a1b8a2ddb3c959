"""The command `fastsgd`: what it prints and writes, and its exit codes."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file
from sklearn.metrics import log_loss
from support.cli import (
    FRAME,
    TRAIN,
    N,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.cli import main
from fastsgd.cli.options import literal

pytest.importorskip("typer")


def test_a_row_far_on_the_wrong_side_counts_its_margin_in_the_log_loss(here, capsys):
    """And not the logarithm of a probability that float32 rounds to 0."""
    X = np.array([[50.0], [-50.0], [1.0], [-1.0]], np.float32)
    clf = SGDClassifier("log_loss", random_state=0).fit(X, [1, 0, 1, 0])
    clf.coef_, clf.intercept_ = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    clf.save("m")
    np.save("X.npy", X)
    np.save("y.npy", [1, 1, 1, 0])
    assert main(["evaluate", "X.npy", "--target", "y.npy", "--model", "m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["log_loss"] == pytest.approx((50 + 2 * np.log1p(np.exp(-1))) / 4, rel=1e-6)


def test_a_diagnosis_names_flags_and_its_advice_works(here, capsys):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    np.save("X.npy", X)
    np.save("y.npy", X @ [1.0, 2.0, 3.0] + rng.standard_normal(500))
    data = ["X.npy", "--target", "y.npy", "--model", "m"]
    how = ["--task", "regression", "--learning-rate", "constant", "--tol", "none", "--max-iter", "20"]
    assert main(["train", *data, *how, "--eta0", "1e-7"]) == 0
    assert main(["diagnose", *data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert found["verdict"] == "still_falling"
    assert main(["diagnose", *data]) == 0
    words = capsys.readouterr().out
    eta0 = re.search(r"Set --eta0 ([-.e0-9]*[0-9])", words)[1]
    assert float(eta0) == found["findings"][0]["numbers"]["eta0"] and "Give --valid." in words
    assert main(["train", *data, *how, "--eta0", eta0]) == 0 and main(["diagnose", *data, "--json"]) == 0
    after = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["findings"][0]["numbers"]
    assert after["objective"] < 1.1 * after["least"]


def test_the_whole_way(here, capsys):
    assert main([*TRAIN, "--valid", "test.parquet", "--model", "m", "--max-iter", "3"]) == 0
    assert "stopped by: max_iter; the model is in m" in capsys.readouterr().out
    assert main(["evaluate", "test.parquet", "--target", "late", "--model", "m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 1000 and found["accuracy"] > 0.95 and found["roc_auc"] > 0.99
    assert main(["predict", "test.parquet", "--model", "m"]) == 0
    lines = capsys.readouterr().out.split()
    assert set(lines) == {"yes", "no"} and np.mean(np.array(lines) == FRAME["late"][2000:]) == found["accuracy"]
    assert main(["predict", "test.parquet", "--model", "m", "--method", "predict_proba", "--output", "p.npy"]) == 0
    assert np.load("p.npy").shape == (1000, 2)
    assert main(["info", "m", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["classes"] == ["no", "yes"] and known["parameters"]["learning_rate"] == "auto"
    assert main(["plot", "m", "--output", "h.png"]) == 0
    assert Path("h.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_of_the_start_is_written_and_scored(here, capsys):
    assert main([*TRAIN, "--model", "m", "--max-iter", "0", "--init", "0.5"]) == 0
    assert "SGDClassifier" in (said := capsys.readouterr().out) and "the model is in m" in said
    assert main([*TRAIN, "--max-iter", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["epochs"], found["seconds"], found["history"]) == (0, 0.0, [])
    assert main(["evaluate", "test.parquet", "--target", "late", "--model", "m", "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["accuracy"] <= 1


def test_info_names_the_columns_that_a_model_needs(here, capsys):
    assert main([*TRAIN, "--model", "m[bold]", "-q"]) == 0  # which is a path, and no markup
    assert main(["info", "m[bold]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["columns"] == {"a": "number", "b": "number", "word": "category"}
    assert main(["info", "m[bold]"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("m[bold]") and "a (number), b (number), word (category)" in said
    wide = pd.DataFrame(np.eye(25)).add_prefix("x")
    wide.assign(y=np.arange(25) % 2).to_parquet("wide.parquet")
    assert main(["train", "wide.parquet", "--target", "y", "--model", "m", "-q"]) == 0
    assert main(["info", "m"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "x19 (number) and 5 others" in said and "x20" not in said


def test_no_rows_and_labels_that_were_not_in_training(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    FRAME[:0].to_parquet("none.parquet")
    assert main(["predict", "none.parquet", "--model", "m", "--output", "p.npy"]) == 1
    assert "error: the source has no rows" in capsys.readouterr().err and not Path("p.npy").exists()
    FRAME[:9].assign(late="perhaps").to_parquet("other.parquet")
    assert main(["evaluate", "other.parquet", "--model", "m", "--target", "late"]) == 1
    assert "the data has the label 'perhaps', which was not in training" in capsys.readouterr().err


def test_it_is_what_the_estimator_does(here):
    main([*TRAIN, "--loss", "hinge", "--alpha", "1e-3", "--learning-rate", "optimal", "--tol", "none", "--model", "m"])
    est = SGDClassifier("hinge", alpha=1e-3, max_iter=1, tol=None, random_state=0)
    est.fit(sources.from_parquet("train.parquet", target="late", columns=["a", "b", "word"]))
    again = fastsgd.load("m")
    assert np.array_equal(again.coef_, est.coef_) and again.get_params() == est.get_params()


def test_categories_are_those_of_training(here, capsys):
    assert main([*TRAIN, "--categorical", "one-hot", "--valid", "all.csv", "--model", "m"]) == 0
    assert fastsgd.load("m").feature_names_in_.tolist() == ["a", "b", "word=x", "word=y", "word=z"]
    FRAME[FRAME["word"] != "y"].to_csv("some.csv", index=False)
    assert main(["evaluate", "some.csv", "--target", "late", "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] > 0.9


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--columns", "a", "--columns", "word"], "--columns a --columns word, in training it was"),
        (["--n-hashed", "64"], "--n-hashed 64, in training it was 1048576: leave it out"),
        (["--interactions", "a:word"], "--interactions a:word, in training it was"),
        (["--categorical", "one-hot"], "--categorical one-hot, in training it was 'hash'"),
        (["--categorical-features", "a"], "--categorical-features a, in training it was"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_flag_that_contradicts_the_model_is_refused(here, command, flags, said, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert main([command, "test.parquet", "--model", "m", "--target", "late", *flags]) == 1
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_other_files_are_read_as_those_of_training(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    FRAME[["d", "late", "word", "b", "a"]].to_csv("turned.csv", index=False)
    for command in ("predict", "evaluate"):
        printed = []
        for path in ("all.csv", "turned.csv"):
            assert main([command, path, "--model", "m", "--target", "late"]) == 0
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
    text = Path("all.csv").read_text().splitlines()
    text[2000] = "stray," + text[2000].partition(",")[2]
    Path("stray.csv").write_text("\n".join(text))
    for command in ("predict", "evaluate"):
        assert main([command, "stray.csv", "--model", "m", "--target", "late"]) == 1
        said = capsys.readouterr().err
        assert "stray.csv: column 'a' is read as number, and has in row 2001, counting the header, the inv" in said
        assert "'stray'. In training it was a number" in said
    FRAME.drop(columns="word").to_csv("lacks.csv", index=False)
    assert main(["predict", "lacks.csv", "--model", "m"]) == 1
    said = capsys.readouterr().err
    assert "there is no column 'word' in lacks.csv; it has 'a', 'b'" in said and "--columns" not in said
    assert main([*TRAIN, "--valid", "lacks.csv"]) == 1
    assert "there is no column 'word' in lacks.csv" in capsys.readouterr().err


def test_svmlight_is_counted_from_where_it_was_in_training(here, capsys):
    assert main(["train", "all.svm", "--model", "m", "-q"]) == 0 and fastsgd.load("m").reading_["zero_based"] is True
    X = FRAME[["a", "b", "c", "d"]].to_numpy(copy=True)
    X[:, 0] = 0
    dump_svmlight_file(X, FRAME["late"] == "yes", "one.svm")
    np.save("one.npy", X)
    for data in ("one.svm", "one.npy"):
        assert main(["predict", data, "--model", "m", "--output", f"{data}.npy"]) == 0
    assert np.array_equal(np.load("one.svm.npy"), np.load("one.npy.npy"))
    assert main(["predict", "one.svm", "--model", "m", "--zero-based", "false"]) == 1
    assert "--zero-based false, in training it was True" in capsys.readouterr().err


def test_remedies_are_flags(here, capsys):
    FRAME.assign(zip="01234", gone=np.nan, day=pd.Timestamp("2024-02-29"), text="a\nb").to_parquet("odd.parquet")
    pd.read_parquet("odd.parquet").drop(columns=["gone", "day"]).to_csv("odd.csv", index=False)
    train = ["train", "odd.parquet", "--target", "late", "--model", "m", "-q", "--columns", "a"]
    assert main([*train, "--columns", "gone", "--fill-null", "none"]) == 1
    assert "Set --fill-null mean (or 'median', 'most_frequent', a number" in capsys.readouterr().err
    assert main([*train, "--columns", "gone", "--fill-null", "0.0"]) == 0
    assert main([*train, "--columns", "day", "--dates", "error"]) == 1
    said = capsys.readouterr().err
    assert "Leave it out (--exclude day), or take it as numbers (--dates day:cyclic) or as a category" in said
    for flags in (["--exclude", "day"], ["--dates", "day:cyclic"], ["--categorical-features", "day"]):
        assert main([*train, "--columns", "day", *flags]) == 0
    assert main([*train, "--columns", "word", "--categorical", "error"]) == 1
    assert "Leave it out (--columns), or set --categorical hash or 'one-hot'" in capsys.readouterr().err
    assert main(["train", "odd.csv", "--target", "late", "--columns", "zip", "--model", "m", "-q"]) == 0
    said = capsys.readouterr().err
    assert "column 'zip' has numbers with leading zeros, such as '01234'" in said
    assert (
        "set --categorical-features zip or --column-types zip:string; if they are numbers, --column-types zip:int64"
        in said
    )
    for flags in (["--categorical-features", "zip"], ["--column-types", "zip:string"], ["--column-types", "zip:int64"]):
        assert main(["train", "odd.csv", "--target", "late", "--columns", "zip", "--model", "m", "-q", *flags]) == 0
        assert "leading zeros" not in capsys.readouterr().err
    assert main(["train", "odd.csv", "--target", "late", "--block-bytes", "10"]) == 1
    assert "must fit in --block-bytes 10: raise it" in capsys.readouterr().err
    assert main(["train", "all.svm", "--alpha", "-1"]) == 1
    assert "--alpha" in capsys.readouterr().err


def test_numbers(here, capsys):
    assert main(["train", "X.npy", "--target", "y.npy", "--loss", "squared_error", "--model", "m", "--quiet"]) == 0
    assert isinstance(fastsgd.load("m"), SGDRegressor)
    assert main(["evaluate", "X.npy", "--target", "y.npy", "--model", "m", "--json"]) == 0
    found, y = json.loads(capsys.readouterr().out), np.load("y.npy")
    off = fastsgd.load("m").predict(np.load("X.npy")) - y
    np.testing.assert_allclose(found["r2"], 1 - np.mean(off**2) / np.var(y))
    np.testing.assert_allclose(found["root_mean_squared_error"], np.sqrt(np.mean(off**2)))
    np.testing.assert_allclose(found["mean_absolute_error"], np.mean(abs(off)))


@pytest.mark.parametrize("to", ["parquet", "arrow"])
@pytest.mark.parametrize("data", ["all.csv", "all.svm"])
def test_convert(here, data, to):
    assert main(["convert", data, "--output", f"all.{to}"]) == 0
    read = {"parquet": sources.from_parquet, "arrow": sources.from_arrow}[to]
    target = "late" if data == "all.csv" else "target"
    new = read(f"all.{to}", target=target)
    old = sources.from_csv(data, target=target) if data == "all.csv" else sources.from_svmlight(data)
    for ours, theirs in zip(new.blocks(), old.blocks(), strict=True):
        assert (ours.X != theirs.X).nnz == 0 and (ours.y == theirs.y).all()
    assert [p.name for p in here.glob("*.tmp")] == []


def test_convert_and_train_csv_of_other_kinds(here, capsys):
    Path("a.tsv").write_text("y\ta,b\n" + "0\t1\n1\t2\n" * 50)
    assert main(["convert", "a.tsv", "--output", "a.parquet"]) == 0
    assert pd.read_parquet("a.parquet").columns.tolist() == ["y", "a,b"]
    Path("bare").mkdir()
    for name in "12":
        Path(f"bare/{name}.csv").write_text("no;1;007\nyes;2;008\n" * 50)
    how = ["--delimiter", ";", "--column-names", "y", "--column-names", "a", "--column-names", "zip"]
    how += ["--column-types", "zip:string"]
    assert main(["convert", "bare", "--output", "bare.arrow", *how]) == 0
    assert pd.read_feather("bare.arrow")["zip"].tolist() == ["007", "008"] * 100
    assert main(["train", "bare/*.csv", "--target", "y", "--model", "m", "--categorical", "one-hot", *how]) == 0
    assert fastsgd.load("m").feature_names_in_.tolist() == ["a", "zip=007", "zip=008"]
    capsys.readouterr()
    assert main(["predict", "bare/1.csv", "--model", "m"]) == 0  # the model knows how they are read
    assert capsys.readouterr().out.split() == ["no", "yes"] * 50


def test_convert_says_which_numbers_have_leading_zeros(here, capsys):
    Path("a.csv").write_text("y,zip\n1,00501\n0,12345\n")
    assert main(["convert", "a.csv", "--output", "a.parquet"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "column 'zip' has numbers with leading zeros, such as '00501'" in said
        and "set --column-types zip:string" in said
    )
    assert main(["convert", "a.csv", "--output", "a.parquet", "--column-types", "zip:string"]) == 0
    assert "leading" not in capsys.readouterr().err and pd.read_parquet("a.parquet")["zip"].tolist() == [
        "00501",
        "12345",
    ]


def test_convert_says_which_type_is_missing(here, capsys):
    Path("a.csv").write_text("y,a\n" + "1,200\n" * 10**6 + "0,2.5\n")
    assert main(["convert", "a.csv", "--output", "a.parquet"]) == 1
    assert "set --column-types a:float64" in capsys.readouterr().err
    assert main(["convert", "a.csv", "--output", "a.parquet", "--column-types", "a:float32"]) == 0
    assert pd.read_parquet("a.parquet")["a"].iloc[-1] == 2.5


def test_json_has_null_for_what_is_not_a_number(here, capsys):
    FRAME.assign(delay=1.0).to_parquet("constant.parquet")
    train = ["train", "train.parquet", "--columns", "a", "--target", "delay", "--loss", "squared_error"]
    assert main([*train, "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["history"][0]["objective"] is None
    assert main(["evaluate", "constant.parquet", "--target", "delay", "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["r2"] is None


def test_a_validation_set_and_a_checkpoint_of_what_no_buffer_holds(here):
    valid = ["--valid", "test.parquet", "--max-memory", "20KB", "--max-iter", "3", "--model", "m"]
    assert main([*TRAIN, *valid, "--checkpoint", "ck"]) == 0
    coef = fastsgd.load("m").coef_
    assert main([*TRAIN, *valid, "--checkpoint", "ck", "--resume"]) == 0
    assert np.array_equal(fastsgd.load("m").coef_, coef)


def test_the_model_does_not_depend_on_how_many_threads_read(here, capsys):
    for name, readers in (("m", "auto"), ("n", "3")):
        assert main([*TRAIN, "--max-memory", "20KB", "--readers", readers, "--model", name]) == 0
    assert np.array_equal(fastsgd.load("m").coef_, fastsgd.load("n").coef_)
    assert main(["predict", "test.parquet", "--model", "m", "--readers", "2", "--output", "p.csv"]) == 0
    assert main([*TRAIN, "--readers", "0"]) == 1
    assert "--readers must be an integer >= 1 or 'auto', got 0." in " ".join(capsys.readouterr().err.split())


@pytest.mark.filterwarnings("ignore:with max_memory")
def test_progress_knows_the_rows_that_were_counted(here):
    from fastsgd.cli.show import Bar

    source = sources.from_svmlight("all.svm", block_bytes=4000).buffered("60KB")
    bar, seen = Bar(3, source, False), []
    bar.bar.update = lambda task, **fields: seen.append(fields)
    SGDClassifier("log_loss", max_iter=3, tol=None, random_state=0, callbacks=[bar]).fit(source)
    assert seen[-1]["completed"] == seen[-1]["total"] == 3 * N and seen[-1]["epoch"] == 3
    assert [fields["completed"] for fields in seen] == sorted(fields["completed"] for fields in seen)


# ---------------------------------------------------------------- what stands in place of "auto"


@pytest.fixture
def three(here):
    """Three classes, on columns of very different scale; their log-loss with the best constant is 1.1."""
    g = np.random.default_rng(0)
    X = g.standard_normal((1500, 4))
    np.save("X.npy", X * [1e-3, 1.0, 30.0, 1e3])
    np.save("y.npy", (X[:, :3] * 3 + g.gumbel(size=(1500, 3))).argmax(axis=1))
    return ["train", "X.npy", "--target", "y.npy", "--model", "m", "--json"]


def test_several_classes_are_learnt_together_where_the_user_does_not_say_how(three, capsys):
    X, y = np.load("X.npy"), np.load("y.npy")
    losses = {}
    for flags in ((), ("--multi-class", "multinomial"), ("--multi-class", "ovr"), ("--n-bootstrap", "5")):
        assert main([*three, *flags]) == 0
        assert "note" not in capsys.readouterr().err
        est = fastsgd.load("m")
        assert est.learning_rate == "auto"
        losses[est.multi_class] = log_loss(y, est.predict_proba(X))
        assert (est.multi_class == "ovr") == (flags[1:] not in ((), ("multinomial",)))
    assert losses["multinomial"] < losses["ovr"]


@pytest.mark.parametrize("together, flags", [("crammer_singer", []), ("multinomial", ["--average", "true"])])
def test_classes_trained_together_without_auto_have_steps_that_need_no_tuning(three, together, flags, capsys):
    assert main([*three, "--multi-class", together, *flags]) == 0
    said = capsys.readouterr()
    assert (
        f"note: --learning-rate auto does not go with {[*flags, '--multi-class'][0]}; in its place: "
        "--learning-rate constant" in said.err
    )
    assert "--optimizer adagrad, --eta0 0.1, --standardize" in said.err
    assert json.loads(said.out)["learning_rate"] == "constant"
    est = fastsgd.load("m")
    assert est.score(np.load("X.npy"), np.load("y.npy")) > 0.8 and est.multi_class == together
    assert main([*three, "--multi-class", together, "--no-standardize", "--eta0", "0.01", "--average", "true"]) in (
        0,
        1,
    )
    assert "in its place: --learning-rate optimal, --optimizer sgd, --eta0 0.01" in capsys.readouterr().err


def test_a_target_of_many_numbers_is_said_to_be_of_as_many_classes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.standard_normal(300), "price": np.arange(300) % 150, "kind": np.arange(300) % 9})
    table.to_csv(tmp_path / "t.csv", index=False)
    command = ["train", str(tmp_path / "t.csv"), "--max-iter", "1", "--target"]
    for flags, there in ((["price"], True), (["price", "--task", "regression"], False), (["kind"], False)):
        assert main([*command, *flags]) == 0
        said = capsys.readouterr().out
        assert ("note: each number of price, 150 in the first rows, is a class of its own" in said) == there


def test_rows_that_fade_are_learnt_once_and_in_their_order(three, capsys):
    for flags, rate in ([], "auto"), (["--average", "true", "--standardize"], "optimal"):
        assert main([*three, "--half-life", "90", *flags]) == 0
        est = fastsgd.load("m")
        assert (est.half_life, est.shuffle, est.n_iter_, est.learning_rate) == (90, False, 1, rate)
    assert main([*three, "--half-life", "none"]) == 0
    est = fastsgd.load("m")
    assert est.half_life is None and est.shuffle
    capsys.readouterr()
    for flags, words in {
        ("--shuffle",): "and --shuffle draws that anew: set --no-shuffle",
        ("--optimizer", "adam"): "--half-life 90 needs --learning-rate auto or --average true",
        ("--max-iter", "auto"): "needs a number of passes as --max-iter",
        ("--dask", "local:2"): "there is no order in which rows could fade",
    }.items():
        assert main([*three, "--half-life", "90", *flags]) == 1
        assert words in " ".join(capsys.readouterr().err.split())
    assert main([*three, "--half-life", "0"]) == 1 and "--half-life" in capsys.readouterr().err


def test_the_half_life_may_be_chosen_by_the_rows(three, capsys):
    assert main([*three, "--half-life", "auto"]) == 0
    est, said = fastsgd.load("m"), json.loads(capsys.readouterr().out)
    assert (est.half_life, est.shuffle, est.n_iter_, est.alpha) == ("auto", False, 1, 1e-4)
    assert said["half_life"] == (None if est.half_life_ == np.inf else est.half_life_)
    words = "none" if est.half_life_ == np.inf else f"{est.half_life_:,.0f} rows"
    assert main([*three[:-1], "--half-life", "auto"]) == 0
    assert f"half-life: {words}, chosen by rows not learnt from" in capsys.readouterr().out
    assert main(["info", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen_half_life"] == ("none" if words == "none" else est.half_life_)
    for flags, words in {
        ("--max-iter", "3"): "--half-life auto is chosen by rows before they are learnt from",
        ("--alpha", "auto"): "--alpha auto and --half-life auto do not go together",
        ("--dask", "local:2"): "--half-life auto is not for a cluster",
    }.items():
        assert main([*three, "--half-life", "auto", *flags]) == 1
        assert words in " ".join(capsys.readouterr().err.split())


def test_a_flag_of_which_auto_takes_the_value_leaves_it(three, capsys):
    for flag in (["--multi-class", "ovr"], ["--average", "false"], ["--batch-size", "1"], []):
        assert main([*three, *flag]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["learning_rate"] == "auto" and "note" not in said.err
    assert main([*three, "--optimizer", "adam"]) == 0
    assert "--learning-rate auto does not go with --optimizer; in its place: --learning-rate" in capsys.readouterr().err
    assert main([*three, "--multi-class", "crammer_singer", "--learning-rate", "auto"]) == 1
    assert "error: --learning-rate auto needs --multi-class ovr or --multi-class multinomial" in capsys.readouterr().err


def test_a_word_of_a_flag_without_a_value_is_a_flag_of_its_own(three, capsys):
    assert main([*three, "--shuffle-replace"]) == 0 and fastsgd.load("m").shuffle == "replace"
    assert main([*three, "--shuffle", "--shuffle-replace"]) == 0 and fastsgd.load("m").shuffle == "replace"
    assert main([*three, "--shuffle"]) == 0 and fastsgd.load("m").shuffle is True
    assert main([*three, "--no-shuffle"]) == 0 and fastsgd.load("m").shuffle is False
    capsys.readouterr()
    assert main([*three, "--no-shuffle", "--shuffle-replace"]) == 1
    assert "error: --shuffle-replace does not go with --no-shuffle: give one of them" in capsys.readouterr().err


def test_a_training_that_diverges_is_an_error_and_the_old_model_stays(three, capsys):
    assert main(three) == 0
    before = Path("m").read_bytes()
    steps = ["--learning-rate", "constant", "--eta0", "1e9", "--loss", "squared_error", "--task", "classification"]
    assert main([*three, *steps]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["stop_reason"] == "diverged"
    assert "warning: The fit diverged" in said.err and "error: the training diverged" in said.err
    assert Path("m").read_bytes() == before and fastsgd.load("m.diverged").stop_reason_ == "diverged"


def test_valid_keeps_the_best_weights_whatever_tol_is(here):
    steps = ["--learning-rate", "constant", "--eta0", "0.5", "--max-iter", "8", "--loss", "log_loss"]
    for tol in ([], ["--tol", "none"], ["--tol", "1e-3", "--n-iter-no-change", "100"]):
        command = ["train", "train.parquet", *TRAIN[2:], *steps, *tol, "--valid", "test.parquet", "--model", "m", "-q"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert main(command) == 0
        est = fastsgd.load("m")
        scores = est.history_["validation_score"]
        test = sources.from_parquet("test.parquet", target="late", columns=["a", "b", "word"])
        assert scores.argmax() < len(scores) - 1  # the last is another one
        assert abs(est.score(test) - scores.max()) < 1e-12


# ---------------------------------------------------------------- flags


@pytest.mark.parametrize("text, value", [("1e-5", 1e-5), ("None", None), ("full", "full"), ("{1: 2}", {1: 2})])
def test_literal(text, value):
    assert literal(text) == value


def test_a_pipe_that_is_closed(here):
    main([*TRAIN, "--model", "m", "--quiet"])
    code = "import sys; from fastsgd.cli import main; sys.exit(main(['predict', *['all.csv'] * 40, '--model', 'm']))"
    command = f'{sys.executable} -c "{code}" | head -1'
    env = {"PYTHONPATH": str(Path(fastsgd.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=env)
    assert done.stdout.strip() in ("yes", "no") and done.stderr == ""


def test_where_auto_has_learnt_nothing_it_says_so(here, capsys):
    """A warning on stderr; and what each class or target has become is in the summary, in JSON and in `info`."""
    np.save("noise.npy", np.random.default_rng(5).standard_normal((N, 2)))
    train = ["train", "X.npy", "--task", "regression", "--max-iter", "1"]
    for y, rule in (("noise.npy", "constant"), ("y.npy", "mean of average of long steps and Newton's steps")):
        assert main([*train, "--target", y, "--model", "m"]) == 0
        printed = capsys.readouterr()
        assert f"what auto has learnt: {rule}" in printed.out
        assert ("The models of 2 of 2 classes or targets are a constant" in printed.err) == (rule == "constant")
        assert main(["info", "m"]) == 0
        assert rule in capsys.readouterr().out
        for command in (["info", "m", "--json"], [*train, "--target", y, "--json"]):
            assert main(command) == 0
            rules = json.loads(capsys.readouterr().out)["auto_rule"]
            assert rules and all(one.startswith(rule) for one in rules)
    assert main(["train", "X.npy", "--target", "y.npy", "--task", "regression", "--eta0", "0.01"]) == 0
    assert "what auto has learnt" not in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--learning-rate", "constant", "--eta0", "0.001"]])
def test_the_alpha_chosen_is_said(flags, here, capsys):
    train = ["train", "X.npy", "--target", "y.npy", "--task", "regression", "--max-iter", "1", "--model", "m", *flags]
    assert main([*train, "--alpha", "auto"]) == 0
    alpha = fastsgd.load("m").alpha_
    assert f"alpha: {alpha:g}, chosen by rows not learnt from" in capsys.readouterr().out
    for given, told in (("auto", alpha), ("0.01", 0.01)):
        assert main([*train, "--alpha", given, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["alpha"] == told


def test_the_alpha_chosen_is_said_whatever_number_of_passes_there_is(here, monkeypatch, capsys):
    for rows, epochs in ((1000, 1), (10_000, None)):
        monkeypatch.setattr("fastsgd.decide.MANY_ROWS", rows)
        assert main([*TRAIN, "--model", "m", "--max-iter", "auto", "--alpha", "auto"]) == 0
        est = fastsgd.load("m")
        assert epochs in (None, len(est.history_))
        assert f"alpha: {est.alpha_:g}, chosen by rows not learnt from" in capsys.readouterr().out


# ---------------------------------------------------------------- held-out rows of the data


@pytest.mark.parametrize("memory", [[], ["--max-memory", "60KB"]])
@pytest.mark.parametrize("data", ["train.parquet", "all.csv", "all.svm"])
def test_a_fraction_of_the_data_is_held_out_and_scored(here, data, memory, capsys):
    how = ["--valid-fraction", "0.2", "--max-iter", "3", "--model", "m", "--json", *memory]
    assert main(["train", data, *(TRAIN[2:] if data != "all.svm" else []), *how]) == 0
    found = json.loads(capsys.readouterr().out)
    scores = [one["validation_score"] for one in found["history"]]
    assert len(scores) == 3 and min(scores) > 0.6 and fastsgd.load("m").early_stopping is False


def test_passes_are_judged_where_no_flag_says_how_many(here, capsys):
    assert main([*TRAIN, "--model", "m"]) == 0
    est = fastsgd.load("m")
    best = est._state.epoch
    assert (
        est.max_iter == "auto" and f"it is the model after epoch {best}; the model is in m" in capsys.readouterr().out
    )
    assert est.alpha == "auto" and est.alpha_ in (1e-6, 1e-5, 1e-4, 1e-3)
    losses = [-score for score in est.history_["validation_score"]]
    assert main([*TRAIN, "--json"]) == 0
    assert [row["validation_loss"] for row in json.loads(capsys.readouterr().out)["history"]] == losses
    assert main(["info", "m", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["held_out_loss"] == losses[best - 1] and "held_out_score" not in known
    assert main([*TRAIN, "--model", "same", "--max-iter", str(best), "--alpha", str(est.alpha_), "-q"]) == 0
    assert np.array_equal(fastsgd.load("same").coef_, est.coef_)
    for flags, passes in (
        (["--tol", "1e-3"], 10),
        (["--segments", "word", "--columns", "a"], 10),
        (["--learning-rate", "constant"], 1),
        (["--max-iter", "auto", "--learning-rate", "constant"], "auto"),
    ):
        assert main([*TRAIN, *flags, "--model", "n", "-q"]) == 0 and fastsgd.load("n").max_iter == passes
        assert fastsgd.load("n").alpha == 1e-4
    assert main([*TRAIN, "--max-iter", "auto", "--learning-rate", "cosine"]) == 1
    assert "laid out over the passes" in capsys.readouterr().err


def test_the_rows_held_out_are_a_share_and_follow_from_the_seed(here, capsys):
    from fastsgd.sources.shares import shares

    source = sources.from_parquet("train.parquet", target="late", columns=["a", "b", "word"])
    train, held = shares(source, 0.25, 3)
    assert train.n_rows + held.n_rows == 2000 and abs(held.n_rows - 500) <= train.n_blocks
    command = [*TRAIN, "--valid-fraction", "0.25", "--random-state", "3", "--model", "m", "--json", "--max-iter", "10"]
    assert main(command) == 0
    scores = [one["validation_score"] for one in json.loads(capsys.readouterr().out)["history"]]
    est = fastsgd.load("m")
    assert len(scores) == 10 and est.score(held) == pytest.approx(max(scores))
    assert np.array_equal(est.coef_, SGDClassifier(**est.get_params()).fit(train, X_val=held).coef_)


@pytest.mark.parametrize("held", [[], ["--valid", "test.parquet"], ["--valid-fraction", "0.3"]])
def test_early_stopping_ends_when_held_out_rows_are_scored_no_better(here, held, capsys):
    assert main([*TRAIN, "--early-stopping", *held, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stop_reason"] == "validation" and 5 < found["epochs"] < 100
    assert main([*TRAIN, "--early-stopping", *held, "--max-iter", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--valid-fraction", "0.1", "--valid", "test.parquet"], "give one of them"),
        (["--valid-fraction", "1.5"], "--valid-fraction must be between 0 and 1, got 1.5"),
        (["--early-stopping", "--segments", "word"], "leave --valid-fraction and --early-stopping out"),
    ],
)
def test_held_out_rows_that_can_not_be_are_refused(here, flags, said, capsys):
    assert main([*TRAIN, *flags]) == 2
    assert said in capsys.readouterr().err


# ---------------------------------------------------------------- progress without a terminal


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_progress_is_a_line_every_ten_seconds(here, quiet, capsys, set_sizes):
    from fastsgd.cli.show import Bar

    set_sizes(call_rows=250)
    now = iter(range(0, 1000, 3))  # each look at the clock is three seconds after the one before
    source = sources.from_parquet("train.parquet", target="late", columns=["a", "b"]).buffered("60KB")
    bar = Bar(2, source, quiet, clock=lambda: next(now))
    est = SGDClassifier("log_loss", learning_rate="constant", max_iter=2, tol=None, random_state=0, callbacks=[bar])
    with bar:
        est.fit(source)
    lines = capsys.readouterr().err.splitlines()
    calls = (next(now) - 3) // 3  # of the callback
    assert len(lines) == (0 if quiet else calls // 4) and calls > 8
    for line in lines:
        assert re.fullmatch(
            r"epoch [12] of 2: [\d,]+ of 4,000 rows \(\d+%\), [\d,]+ rows/s, loss \S+(, \w+ \S+)*", line
        )


def test_short_trainings_and_json_have_no_lines_of_progress(here, capsys):
    for flags in ([], ["--json"], ["--quiet"]):
        assert main([*TRAIN, *flags]) == 0
        assert "rows/s" not in capsys.readouterr().err


def test_rows_too_few_to_hold_some_out_are_said_by_the_flag(here, capsys):
    pd.DataFrame({"a": range(5), "y": list("ababa")}).to_csv("five.csv", index=False)
    assert main(["train", "five.csv", "--target", "y", "--valid-fraction", "0.01", "-q"]) == 1
    assert "error: --valid-fraction 0.01 of so few rows is none" in capsys.readouterr().err
    frame = pd.DataFrame({"a": range(100), "y": ["a", "b"] * 50})
    frame.loc[50, "y"] = "rare"
    frame.to_csv("rare.csv", index=False)
    codes = {}
    for seed in range(12):
        command = ["train", "rare.csv", "--target", "y", "--valid-fraction", "0.4", "-q", "--learning-rate", "constant"]
        codes.setdefault(main([*command, "--random-state", str(seed)]), seed)
    assert "a label is in held-out rows alone: ['rare']" in capsys.readouterr().err
    assert codes.keys() == {0, 1}  # so that the advice, another seed, works
