"""Imports point one way, and importing fastsgd is cheap."""

import re
import subprocess
import sys
from pathlib import Path

import fastsgd

ROOT = Path(fastsgd.__file__).parent
# A file may import from the layers listed for its own, and from its own.
LAYERS = {
    "custom": (),
    "loss_check": (),
    "loss_functions": (),
    "implicit": (),
    "coupled_losses": (),
    "nonconvex_losses": (),
    "custom_loss": ("custom", "loss_check"),
    "losses": ("custom", "loss_check"),
    "schedules": (),
    "penalties": ("_kernels",),
    "history": (),
    "stopping": (),
    "_philox": (),
    "_kernels": ("_philox", "losses", "schedules"),
    "auto": (),
    "state": ("_kernels", "auto"),
    "sums": ("state",),
    "sources": ("_kernels", "_philox", "sums"),
    "optimizers": ("_kernels",),
    "objective": ("penalties", "sums"),
    "engine": ("_kernels", "history", "objective", "stopping", "sources", "state", "sums"),
    "verdict": ("engine", "objective", "state"),
    "solvers": ("engine", "_kernels", "losses", "penalties", "schedules", "sources"),
    "estimators": (
        "engine",
        "history",
        "solvers",
        "_kernels",
        "losses",
        "optimizers",
        "penalties",
        "persist",  # for `save`, in a function
        "schedules",
        "sources",
        "state",
        "stopping",
        "sums",
        "verdict",
    ),
}
TOP = ("inspection", "persist", "dask", "cli", "__init__", "__main__")  # these may import from everywhere


def imported(path):
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"^\s*(?:from|import|cimport) fastsgd\.(\w+)", text, re.M))
    for names in re.findall(r"^\s*from fastsgd c?import ([\w, ]+)", text, re.M):
        found |= {name.strip() for name in names.split(",")}
    return found


def sources():
    return [p for p in ROOT.rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".pxi")]


def test_imports_point_one_way():
    for path in sources():
        layer = path.relative_to(ROOT).parts[0].split(".")[0]
        if layer not in TOP:
            assert imported(path) <= {layer, *LAYERS[layer]}, path.relative_to(ROOT)


def test_numba_is_imported_in_functions_of_custom_alone():
    for path in sources():
        lines = re.findall(r"^.*import numba.*$", path.read_text(encoding="utf-8"), re.M)
        assert bool(lines) == (path.name == "custom.py") and all(line.startswith("    ") for line in lines), path


def test_estimators_import_persist_in_functions_alone():
    for path in (ROOT / "estimators").glob("*.py"):
        assert not re.search(r"^(from|import) .*persist", path.read_text(encoding="utf-8"), re.M), path


def test_importing_fastsgd_loads_nothing_heavy():
    """Beyond what scikit-learn loads."""
    heavy = "numba", "dask", "pandas", "pyarrow", "matplotlib", "polars", "safetensors", "onnx"
    code = "import sys, sklearn.linear_model, sklearn.model_selection; before = set(sys.modules); import fastsgd; "
    code += f"print(sorted({{m.split('.')[0] for m in set(sys.modules) - before}} & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"
