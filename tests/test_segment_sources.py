"""Segments of rows that are read from files: each model is that of its own rows, and nothing is read more often for them."""

import warnings

import numpy as np
import pandas as pd
import pytest

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, sources

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

N, D, G = 3000, 4, 4
RNG = np.random.default_rng(8)
X = RNG.standard_normal((N, D)).astype(np.float32)
PLACE = RNG.integers(0, G, N)
NAMES = np.array(["north", "east", "south", "west"])[PLACE]
TARGET = (X @ RNG.standard_normal((D, G)))[np.arange(N), PLACE]
COLUMNS = [f"x{i}" for i in range(D)]
TABLE = {name: X[:, i] for i, name in enumerate(COLUMNS)} | {"shop": NAMES, "code": PLACE, "y": TARGET > 0, "z": TARGET}
SMALL = {"max_memory": "40KB"}
FRAME = pd.DataFrame(X, columns=COLUMNS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    weights = {name: 1.0 * (name == NAMES) for name in np.unique(NAMES)}
    table = pa.table(TABLE | weights | {"one": np.ones(N)})
    pq.write_table(table, folder / "rows.parquet", row_group_size=100)
    import pyarrow.csv

    pyarrow.csv.write_csv(table, folder / "rows.csv")
    return {"parquet": str(folder / "rows.parquet"), "csv": str(folder / "rows.csv"), "arrow": table}


def source_of(files, kind, target="y", **options):
    make = {"parquet": sources.from_parquet, "csv": sources.from_csv, "arrow": sources.from_arrow}[kind]
    return make(files[kind], target=target, columns=COLUMNS, **options)


def fit(est, source, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(source, **how)


@pytest.mark.parametrize(
    "settings", [{}, {"standardize": True}, {"loss": "log_loss", "average": True}, {"optimizer": "adam"}]
)
@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow"])
def test_the_model_of_a_segment_is_that_of_its_rows_alone(files, kind, settings):
    settings = {"random_state": 0, "max_iter": 6, "learning_rate": "constant", **settings}
    found = fit(SGDClassifier(**settings), source_of(files, kind, weight="one").buffered(**SMALL), segments="shop")
    of_all = fit(SGDClassifier(**settings), source_of(files, kind, weight="one").buffered(**SMALL))
    np.testing.assert_array_equal(found.coef_, of_all.coef_)
    assert found.segments_.tolist() == np.unique(NAMES).tolist()
    for i, name in enumerate(found.segments_.tolist()):
        alone = fit(SGDClassifier(**settings), source_of(files, kind, weight=name).buffered(**SMALL))
        np.testing.assert_allclose(found.segment_coefs_[i], alone.coef_, rtol=2e-3, atol=2e-4)
        assert found.segment_n_iter_[i] == alone.n_iter_
        assert found.segment_counts_[i] == np.sum(name == NAMES)


@pytest.mark.parametrize("bounds", [{}, SMALL])
def test_predictions_of_a_source_are_by_the_column_of_the_fit(files, bounds):
    est = fit(SGDRegressor(random_state=0), source_of(files, "parquet", "z").buffered(**bounds), segments="code")
    right = est.predict(FRAME, segments=PLACE)
    for kind in ("parquet", "csv"):
        source = source_of(files, kind, "z").buffered(**bounds)
        np.testing.assert_allclose(est.predict(source), right, rtol=1e-4, atol=1e-5)
        assert est.score(source) == pytest.approx(est.score(FRAME, TARGET, segments=PLACE), abs=1e-4)
        parts = list(sources.predict_batches(est, source))
        np.testing.assert_allclose(np.concatenate(parts), right, rtol=1e-4, atol=1e-5)


def test_the_column_is_no_feature_even_where_no_columns_are_named(files):
    given = pa.table({name: TABLE[name] for name in (*COLUMNS, "shop", "y")})
    est = fit(
        SGDClassifier(random_state=0, max_iter=2, tol=None), sources.from_arrow(given, target="y"), segments="shop"
    )
    assert est.feature_names_in_.tolist() == COLUMNS
    np.testing.assert_array_equal(est.predict(sources.from_arrow(given)), est.predict(FRAME, segments=NAMES))


def test_segments_cost_no_more_passes_over_the_files(files, monkeypatch):
    def passes(**how):
        source = source_of(files, "parquet").buffered(**SMALL)
        fit(SGDClassifier(random_state=0, max_iter=4, tol=None), source, **how)
        return len(read)

    from fastsgd.sources.parquet import ParquetSource

    read, before = [], ParquetSource.read
    monkeypatch.setattr(ParquetSource, "read", lambda self, *args, **kw: read.append(args) or before(self, *args, **kw))
    plain = passes()
    read.clear()
    assert passes(segments="shop") == plain


def test_nulls_are_rows_of_no_segment(tmp_path):
    shop = [None if i % 5 == 0 else name for i, name in enumerate(NAMES.tolist())]
    table = pa.table(TABLE | {"shop": shop})
    est = fit(SGDClassifier(random_state=0), sources.from_arrow(table, target="y", columns=COLUMNS), segments="shop")
    assert est.segment_counts_.sum() == N - N // 5
    np.testing.assert_array_equal(
        est.predict(sources.from_arrow(table))[::5], est.predict(FRAME, segments=[None] * N)[::5]
    )


@pytest.mark.parametrize("column", ["shops", 3])
def test_what_is_no_column_is_refused(files, column):
    with pytest.raises(ValueError, match="segments"):
        SGDClassifier().fit(source_of(files, "parquet"), segments=column)


def test_sources_without_names_are_refused_in_words():
    source = sources.from_batches(lambda: iter([(X, TARGET > 0)]))
    with pytest.raises(ValueError, match="from_parquet"):
        SGDClassifier().fit(source, segments="shop")


def test_the_command_trains_by_a_column_and_predicts_by_it(files, tmp_path, capsys):
    pytest.importorskip("typer")
    from fastsgd.cli import main

    model, data = str(tmp_path / "m"), files["parquet"]
    flags = ["--target", "y", "--segments", "shop", "--learning-rate", "optimal", "--random-state", "0", "-q"]
    columns = [flag for name in COLUMNS for flag in ("--columns", name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["train", data, *columns, *flags, "--model", model, "--max-iter", "5"]) == 0
    est = fastsgd.load(model)
    assert est.segments_.tolist() == np.unique(NAMES).tolist()
    capsys.readouterr()
    assert main(["info", model, "--json"]) == 0
    assert '"segments": 4, "segment_column": "shop"' in capsys.readouterr().out
    assert main(["predict", data, "--model", model, "--output", str(tmp_path / "p.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), est.predict(FRAME, segments=NAMES))
