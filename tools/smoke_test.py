"""Whether an installed fastsgd works: each part of it once, in under a minute. Needs no test framework and no compiler.

python tools/smoke_test.py          # what pip install fastsgd gives
python tools/smoke_test.py --all    # and the extras: cli, parquet, plot, dask
"""

import argparse
import importlib.metadata
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import fastsgd
from fastsgd import _kernels, losses, sources


def rows(n=4_000, d=12):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    margin = X @ np.linspace(-1, 1, d) + 0.5
    return X, margin, (margin + 0.3 * rng.standard_normal(n) > 0).astype(int)


def is_installed():
    """What is tested is what pip has installed, not a source tree that happens to be on the path."""
    assert "site-packages" in fastsgd.__file__, f"fastsgd is imported from {fastsgd.__file__}"
    assert importlib.metadata.version("fastsgd") == fastsgd.__version__


def is_light():
    """What only some need is not imported for all."""
    program = "import sys, fastsgd; print(*{'numba', 'matplotlib', 'pandas', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [], f"import fastsgd imports {done.stdout}"


def trains_and_predicts():
    X, target, y = rows()
    for layout in (np.asarray, sp.csr_matrix, sp.csr_array):
        for dtype in (np.float64, np.float32):
            data = layout(X.astype(dtype))
            for loss in ("hinge", "log_loss"):
                assert fastsgd.SGDClassifier(loss=loss, random_state=0).fit(data, y).score(data, y) > 0.9
            assert fastsgd.SGDRegressor(random_state=0).fit(data, target).score(data, target) > 0.95
            assert set(fastsgd.SGDOneClassSVM(random_state=0, max_iter=5, tol=None).fit(data).predict(data)) <= {-1, 1}
    assert fastsgd.LinearClassifier(alpha=1e-3).fit(X, y).dual_gap_ < 1e-3
    assert fastsgd.LinearRegressor(alpha=1e-3, n_jobs=2).fit(X, target).score(X, target) > 0.99
    assert fastsgd.SGDRegressorCV(random_state=0, max_iter=20).fit(X, target).score(X, target) > 0.95


def same_coefficients_whatever_the_kernels():
    """The portable kernels and those of this processor agree, as far as rounding goes."""
    X, _, y = rows()
    program = "import sys, fastsgd, numpy as np; X, y = np.load(sys.argv[1]), np.load(sys.argv[2]); "
    program += (
        "params = dict(loss='log_loss', learning_rate='constant', eta0=0.01, shuffle=False, max_iter=3, tol=None); "
    )
    program += "np.save(sys.argv[3], fastsgd.SGDClassifier(**params).fit(X, y).coef_)"
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("X.npy", "y.npy", "coef.npy")]
        np.save(paths[0], X), np.save(paths[1], y)
        found = []
        for isa in ("base", _kernels.isa):
            subprocess.run([sys.executable, "-c", program, *paths], check=True, env=os.environ | {"FASTSGD_ISA": isa})
            found.append(np.load(paths[2]))
    np.testing.assert_allclose(*found, rtol=1e-8)


def goes_on_from_a_file():
    X, _, y = rows()
    est = fastsgd.SGDClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        for _ in range(2):  # The second time it takes the place of the first.
            est.save(path)
        again = fastsgd.load(path)
        checkpoint = fastsgd.Checkpoint(Path(folder) / "training")
        fastsgd.SGDClassifier(random_state=0, max_iter=3, tol=None, callbacks=[checkpoint]).fit(X, y)
        assert not list(Path(folder).glob(".*"))  # no temporary files
    copy = pickle.loads(pickle.dumps(est))
    wanted = est.partial_fit(X, y).coef_
    for other in (again, copy):
        assert np.array_equal(other.partial_fit(X, y).coef_, wanted)


def square(p, y):
    return 0.5 * (p - y) ** 2


def square_slope(p, y):
    return p - y


def compiles_a_loss():
    """Numba compiles it, in the process, without a C compiler."""
    X, target, _ = rows()
    params = dict(random_state=0, max_iter=3, tol=None)
    mine = fastsgd.SGDRegressor(loss=losses.Custom(square, square_slope), **params).fit(X, target)
    built_in = fastsgd.SGDRegressor(**params).fit(X, target)
    np.testing.assert_allclose(mine.coef_, built_in.coef_, rtol=1e-9)


def reads_files():
    X, target, _ = rows()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.svm")
        with open(path, "w") as file:
            for x, y in zip(X.tolist(), target.tolist(), strict=True):
                file.write(f"{y} " + " ".join(f"{j}:{value}" for j, value in enumerate(x, 1)) + "\n")
        est = fastsgd.SGDRegressor(random_state=0, max_iter=5, tol=None).fit(sources.from_svmlight(path))
        assert est.score(sp.csr_matrix(X), target) > 0.95


def command():
    beside = shutil.which("fastsgd", path=os.path.dirname(sys.executable))
    return [beside] if beside else [sys.executable, "-m", "fastsgd"]


def trains_from_the_command_line():
    X, _, y = rows()
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: os.path.join(folder, name) for name in ("rows.csv", "rows.parquet", "model.safetensors", "p.csv")
        }
        header = ",".join([*(f"x{j}" for j in range(X.shape[1])), "bought"])
        np.savetxt(paths["rows.csv"], np.column_stack([X, y]), delimiter=",", header=header, comments="")
        import pyarrow.csv
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.csv.read_csv(paths["rows.csv"]), paths["rows.parquet"])
        for data in (paths["rows.csv"], paths["rows.parquet"]):
            model = ["--model", paths["model.safetensors"]]
            for args in (
                ["train", data, "--target", "bought", *model],
                ["evaluate", data, "--target", "bought", *model],
                ["predict", data, *model, "--output", paths["p.csv"]],
                ["info", paths["model.safetensors"]],
            ):
                done = subprocess.run([*command(), *args], capture_output=True, text=True)
                assert done.returncode == 0, f"fastsgd {' '.join(args)}: {done.stdout}{done.stderr}"
        assert fastsgd.load(paths["model.safetensors"]).coef_.shape == (1, X.shape[1])


def draws():
    import matplotlib

    matplotlib.use("Agg")
    X, _, y = rows()
    est = fastsgd.SGDClassifier(random_state=0, max_iter=5, tol=None).fit(X, y)
    assert fastsgd.inspection.plot_history(est) is not None


def trains_on_a_cluster():
    import dask.array as da
    from distributed import Client

    import fastsgd.dask as on_cluster

    X, target, _ = rows()
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None):
        parts = da.from_array(X, chunks=(1_000, -1)), da.from_array(target, chunks=1_000)
        est = on_cluster.LinearRegressor(alpha=1e-3).fit(*parts)
    assert est.score(X, target) > 0.99


PARTS = [
    is_installed,
    is_light,
    trains_and_predicts,
    same_coefficients_whatever_the_kernels,
    goes_on_from_a_file,
    compiles_a_loss,
    reads_files,
]
EXTRAS = [trains_from_the_command_line, draws, trains_on_a_cluster]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the extras, too")
    for part in PARTS + (EXTRAS if parser.parse_args().all else []):
        print(f"{part.__name__} ...", flush=True)
        part()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"fastsgd {fastsgd.__version__} works: {python}, {platform.platform()}, kernels {_kernels.isa}")


if __name__ == "__main__":  # Processes of a cluster import this file.
    main()
