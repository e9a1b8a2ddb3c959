"""The benchmarks run: each once, on the smallest data. Their numbers are of no concern here."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastsgd

FOLDER = Path(__file__).parents[1] / "asv_benchmarks"
COMPARE = "-m", "asv_benchmarks.compare"

RUN = """
import importlib, math, sys
module = importlib.import_module("benchmarks." + sys.argv[1])
found = [(name, item) for name, item in vars(module).items() if getattr(item, "__module__", None) == module.__name__]
ran = 0
for name, item in found:
    if name.startswith("_"):
        continue
    isclass = isinstance(item, type)
    first = [values[0] for values in getattr(item, "params", [])]
    assert len(first) == len(getattr(item, "param_names", []))
    for method in dir(item) if isclass else [name]:
        kind = method.split("_")[0]
        if kind not in ("time", "track", "peakmem"):
            continue
        benchmark = item() if isclass else None
        if isclass:
            benchmark.setup(*first)
        call = getattr(benchmark, method) if isclass else item
        value = call(*first)
        if kind == "track":
            assert math.isfinite(value) and value > 0 and (getattr(call, "unit", "") or item.unit)
        ran += 1
assert ran
"""


def run(*command):
    # -P: of two copies, the one that is tested and not the one in this folder
    where = os.pathsep.join([str(FOLDER), str(FOLDER.parent), str(Path(fastsgd.__file__).parents[1])])
    env = os.environ | {"PYTHONPATH": where, "FASTSGD_BENCH": "small"}
    out = subprocess.run(
        [sys.executable, "-P", "-W", "error", *command], env=env, capture_output=True, text=True, timeout=120
    )
    assert out.returncode == 0, out.stderr
    return out.stdout


@pytest.mark.parametrize(
    "module",
    ["kernels", "estimators", "imports", "optimizers", "linear", "auto", "sources", "grids", "segments", "texts"],
)
def test_each_benchmark_runs(module):
    run("-c", RUN, module)


def test_the_list_above_is_complete():
    assert {p.stem for p in (FOLDER / "benchmarks").glob("*.py")} == {
        "__init__",
        "common",
        "kernels",
        "estimators",
        "imports",
        "optimizers",
        "linear",
        "auto",
        "sources",
        "grids",
        "segments",
        "texts",
    }


@pytest.mark.parametrize(
    "rows, first",
    [("dense 500,000 x 28 hinge l2 float64", "dense 25,000 x 28"), ("partial_fit", "partial_fit, a row of 100")],
)
def test_the_comparison_of_sgd(rows, first):
    head, _, *body = run(*COMPARE, "sgd", "--small", "--repeats", "1", "--rows", rows).splitlines()
    cells = body[0].strip("| ").split(" | ")
    assert head.count("|") == body[0].count("|") and cells[0] == first and float(cells[4]) > 0 and float(cells[6]) > 0
    assert body[1] == "" and "scikit-learn" in body[2]


def test_the_comparison_of_sgd_with_default_parameters():
    table = "--defaults", "--small", "--repeats", "1", "--rows", "dense 200 x 10 hinge"
    head, _, row, blank, last = run(*COMPARE, "sgd", *table).splitlines()
    cells = row.strip("| ").split(" | ")
    assert head.count("|") == row.count("|") and cells[0] == "dense 200 x 10" and float(cells[6]) > 0
    assert all(int(epochs) > 1 for epochs in cells[7].split(" / ")) and not blank and "scikit-learn" in last


def test_the_comparison_of_threads():
    rows = [line for line in run(*COMPARE, "threads", "--small", "--repeats", "1").splitlines() if "|" in line]
    assert {line.count("|") for line in rows} == {5}
    assert sum("certified" in line and float(line.split("|")[4]) > 0 for line in rows) == 2
    assert sum("times ours" in line for line in rows) >= 3


def test_sgd_threads():
    head, _, *body = run(str(FOLDER / "sgd_threads.py"), "--repeats", "1", "--rows", "hinge").splitlines()
    assert len(body) >= 6 and {line.count("|") for line in body} == {head.count("|")}
    grids = run(str(FOLDER / "sgd_threads.py"), "--repeats", "1", "--rows", "grid").splitlines()[2:]
    assert len(grids) == 2 and all(float(line.split("|")[3]) > 0 for line in grids)


def test_the_comparison_of_optimizers():
    head, _, *body = run(*COMPARE, "plain", "--small", "--repeats", "1", "--cases", "adagrad").splitlines()
    assert [line.count("|") for line in body[:2]] == [head.count("|")] * 2 and float(body[0].split("|")[-2]) > 0
    assert body[2] == "" and "one thread" in body[3]


def test_one_pass():
    head, _, *rows = run(str(FOLDER / "one_pass.py"), "few texts", "ratings", "factors").splitlines()
    assert {line.count("|") for line in rows} == {head.count("|")}
    assert all(float(line.split("|")[5]) > 0.94 for line in rows)


def test_half_lives():
    head, _, *rows = run(str(FOLDER / "half_lives.py"), "at once").splitlines()
    assert len(rows) == 4 and {line.count("|") for line in rows} == {head.count("|")}
    losses = [[float(cell.split()[0]) for cell in line.split("|")[4:-1]] for line in rows]
    # "auto" on dense rows, the third, follows what changes without a half-life, too.
    assert all(min(some) < (0.96 if row != 2 else 1.02) * none for row, (none, *some, _) in enumerate(losses))
    assert all(chosen < 1.04 * min(some) for *some, chosen in losses)


def test_the_comparison_of_readers():
    head, _, *body = run(*COMPARE, "readers", "--small", "--repeats", "1").splitlines()
    assert {line.count("|") for line in body[:-2]} == {head.count("|")} and "one thread" in body[-1]
    ours = [line.split("|") for line in body if "read: fastsgd |" in line]
    assert len(ours) == 2 and all(float(cells[-3]) > 0 for cells in ours)
    assert "compression: none" in run(*COMPARE, "readers", "--small", "--memory")


def test_the_comparison_of_texts():
    rows = [line.split("|") for line in run(*COMPARE, "texts", "--small", "--repeats", "1").splitlines() if "|" in line]
    assert len(rows) == 2 + 5 + 2 + 4 and {len(cells) for cells in rows} == {6}
    assert all(float(cells[4]) > 0 for cells in rows[2:7]) and all(float(cells[3]) > 0 for cells in rows[-4:])


def test_the_comparison_of_click_logs():
    first, _, head, _, *body = run(*COMPARE, "clicks", "--small").splitlines()
    rows = [line for line in body if "|" in line]
    assert first.startswith("4,000 rows, 8 files") and {line.count("|") for line in rows} == {head.count("|")}
    assert len(rows) >= 4 and all(float(line.split("|")[2]) > 0 for line in rows)


def test_the_comparison_with_other_solvers(tmp_path):
    """One problem and one peer: the page, the picture, and results that are gone on with."""
    pytest.importorskip("matplotlib")
    page, picture, results = tmp_path / "page.md", tmp_path / "page.png", tmp_path / "results.json"
    page.write_text("Before.\n<!-- tables -->\nold\n<!-- end -->\nAfter.\n")
    race = "solvers", "--small", "--repeats", "1", "--budget", "30", "--problems", "text, hinge", "--peers", "LinearSVC"
    files = "--results", str(results), "--page", str(page), "--picture", str(picture)
    first = run(*COMPARE, *race, *files)
    assert (
        "text, hinge: done" in first and "the fastest peer of each problem took" in first and "| certified |" in first
    )
    text = page.read_text()
    assert text.startswith("Before.\n<!-- tables -->\nTo within 0.1%") and text.endswith("<!-- end -->\nAfter.\n")
    assert "\nold\n" not in text and picture.stat().st_size > 2_000
    again = run(*COMPARE, *race, *files)
    assert "done" not in again and page.read_text() == text


def test_an_unknown_part_is_told_of():
    with pytest.raises(AssertionError, match="PART must be one of these, found 'nonsense'"):
        run(*COMPARE, "nonsense")


def test_shuffling(tmp_path):
    small = "--rows", "1000", "--epochs", "2", "--blocks", "20", "--optimizers", "sgd", "--seeds", "1"
    head, _, *body = run(str(FOLDER / "shuffling.py"), *small).splitlines()
    assert len(body) == 10 and {line.count("|") for line in body} == {head.count("|")}
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", X=rng.standard_normal((200, 3)), y=np.arange(200) % 2)
    own = run(str(FOLDER / "shuffling.py"), "--data", str(tmp_path / "own.npz"), *small)
    assert "own.npz | sgd | full shuffle, in memory" in own


def test_the_comparison_of_formats():
    *_, head, rule, first, a, b, c, d, e, npy, _, last = run(*COMPARE, "formats", "--small").splitlines()
    assert {line.count("|") for line in (head, rule, first, a, b, c, d, e, npy)} == {8} and "one thread" in last
    assert float(npy.strip("| ").split(" | ")[-1]) > 0


def test_larger_than_memory():
    small = "--gigabytes", "0.004", "--max-memory", "1MB", "--columns", "3"
    head, _, bare, *rows = run(str(FOLDER / "larger_than_memory.py"), *small).splitlines()
    assert {line.count("|") for line in (bare, *rows)} == {head.count("|")}
    assert [line.split(" |")[0] for line in rows] == ["| parquet", "| svmlight"]


@pytest.mark.sklearn19
def test_the_benchmark_of_paths_runs():
    head, _, *body = run(str(FOLDER / "paths.py"), "--small", "--repeats", "1").splitlines()
    assert "processor seconds" in head and sum("| fastsgd |" in line and "proven" in line for line in body) == 3
    assert sum("lbfgs" in line for line in body) == 1


def test_many_fits():
    head, _, *body = run(str(FOLDER / "many_fits.py"), "--rows", "500", "--repeats", "1").splitlines()
    assert {line.count("|") for line in body} == {head.count("|")}
    assert all(float(line.split("|")[-3]) > 0 for line in body)
