"""Imports point one way, and importing fastsgd is cheap."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import fastsgd

ROOT = Path(fastsgd.__file__).parent
# What each package, or module beside the packages, imports of the others, in functions too: exactly that. There are no circles.
LAYERS = {
    "gathered": ("_kernels",),
    "custom_loss": (
        "custom",
        "loss_check",
    ),
    "losses": ("params",),
    "schedules": ("params",),
    "stopping": ("params",),
    "_kernels": (
        "_philox",
        "losses",
        "schedules",
    ),
    "auto_centred": ("auto",),
    "auto_merge": ("auto", "auto_centred", "auto_newton"),
    "auto_newton": ("auto",),
    "auto_softmax": ("auto",),
    "auto_put": ("auto", "auto_softmax", "state"),
    "state": (
        "_kernels",
        "auto",
        "auto_merge",
        "auto_newton",
        "auto_softmax",
        "merging",
    ),
    "penalties": ("_kernels",),
    "optimizers": (
        "_kernels",
        "params",
    ),
    "lanes": (
        "_kernels",
        "gathered",
        "plan",
        "progressive",
        "sources",
        "state",
        "threads",
    ),
    "split": (
        "auto",
        "gathered",
        "lanes",
        "plan",
        "sources",
        "state",
        "threads",
    ),
    "hogwild": (
        "_kernels",
        "lanes",
        "plan",
        "state",
        "threads",
    ),
    "parallel": (
        "hogwild",
        "lanes",
        "plan",
        "sources",
        "split",
        "state",
        "threads",
    ),
    "sums": (
        "_kernels",
        "gathered",
        "plan",
        "state",
        "threads",
    ),
    "objective": (
        "penalties",
        "plan",
        "sources",
        "state",
        "sums",
    ),
    "sources": (
        "_philox",
        "sums",
        "threads",
    ),
    "recorder": ("gathered", "lanes", "objective", "plan", "record", "run", "sources", "state"),
    "any_function": (
        "_kernels",
        "gathered",
        "losses",
        "optimizers",
        "plan",
        "random_states",
        "restarts",
        "schedules",
        "sources",
        "state",
    ),
    "curvature": (
        "objective",
        "plan",
        "sources",
        "sums",
    ),
    "plane_objective": (
        "objective",
        "plan",
        "sources",
        "sums",
    ),
    "noise": (
        "objective",
        "plan",
        "sources",
        "sums",
    ),
    "packs": (
        "engine",
        "lanes",
        "objective",
        "penalties",
        "plan",
        "run",
        "sources",
        "state",
        "sums",
        "threads",
    ),
    "beside": (
        "gathered",
        "lanes",
        "packs",
        "plan",
        "state",
        "threads",
    ),
    "several": (
        "decide",
        "engine",
        "history",
        "lanes",
        "packs",
        "plan",
        "sources",
        "state",
        "stopping",
        "threads",
    ),
    "banks": ("_kernels", "lanes", "packs", "plan", "run", "sources", "state", "threads"),
    "segments": (
        "_kernels",
        "banks",
        "decide",
        "engine",
        "objective",
        "plan",
        "sources",
        "state",
        "stopping",
        "sums",
        "threads",
    ),
    "decide": ("history", "stopping"),
    "run": (
        "decide",
        "gathered",
        "history",
        "lanes",
        "plan",
        "progressive",
        "sources",
        "state",
        "stopping",
    ),
    "engine": (
        "decide",
        "gathered",
        "history",
        "lanes",
        "objective",
        "plan",
        "run",
        "sources",
        "state",
        "sums",
    ),
    "solvers": (
        "_kernels",
        "blas",
        "losses",
        "penalties",
        "sources",
        "sums",
        "threads",
    ),
    "verdict": (
        "decide",
        "engine",
        "objective",
        "sources",
        "state",
    ),
    "persist": (
        "_version",
        "auto",
        "auto_softmax",
        "beside",
        "contest",
        "engine",
        "gathered",
        "history",
        "judge",
        "losses",
        "optimizers",
        "progressive",
        "record",
        "restarts",
        "schedules",
        "sources",
        "state",
        "stopping",
    ),
    "plan": ("_kernels", "losses", "optimizers", "schedules"),
    "contest": ("_kernels", "gathered", "lanes", "plan", "sources", "state", "threads"),
    "judge": (
        "gathered",
        "lanes",
        "packs",
        "plan",
        "run",
        "sources",
        "state",
        "stopping",
        "sums",
        "threads",
    ),
    "estimators": (
        "_kernels",
        "auto_newton",
        "auto_put",
        "beside",
        "blas",
        "contest",
        "curvature",
        "decide",
        "engine",
        "gathered",
        "history",
        "judge",
        "lanes",
        "losses",
        "noise",
        "objective",
        "optimizers",
        "packs",
        "parallel",
        "penalties",
        "persist",
        "plan",
        "plane_objective",
        "progressive",
        "record",
        "recorder",
        "restarts",
        "run",
        "schedules",
        "segments",
        "several",
        "solvers",
        "sources",
        "state",
        "stopping",
        "sums",
        "threads",
        "verdict",
    ),
    "inspection": ("estimators", "losses", "optimizers", "random_states", "restarts", "schedules", "verdict"),
    "diagnosis": (
        "curvature",
        "drift",
        "engine",
        "estimators",
        "losses",
        "objective",
        "optimizers",
        "plan",
        "run",
        "schedules",
        "solvers",
        "sources",
        "state",
        "verdict",
    ),
    "__init__": (
        "_version",
        "any_function",
        "diagnosis",
        "estimators",
        "inspection",
        "losses",
        "optimizers",
        "persist",
        "schedules",
        "sources",
        "stopping",
    ),
    "cli": (
        "__init__",
        "_version",
        "dask",
        "decide",
        "drift",
        "estimators",
        "history",
        "inspection",
        "losses",
        "persist",
        "sources",
        "sums",
    ),
    "dask": (
        "auto_merge",
        "estimators",
        "gathered",
        "lanes",
        "losses",
        "objective",
        "penalties",
        "persist",
        "schedules",
        "solvers",
        "sources",
        "state",
        "sums",
    ),
    "__main__": ("cli",),
}


def imported(path):
    """The packages and modules that a file imports; "__init__" for what it takes from fastsgd itself."""
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"^\s*(?:from|import|cimport) fastsgd\.(\w+)", text, re.M))
    named = re.findall(r"^\s*from fastsgd c?import (?:\(([^)]*)\)|([^\n(#]+))", text, re.M)
    names = [name.split(" as ")[0].strip() for pair in named for name in "".join(pair).split(",")]
    modules = {layer_of(p) for p in sources()}
    found |= {name if name in modules else "__init__" for name in names if name}
    if re.search(r"^\s*import fastsgd\s*$", text, re.M):
        found.add("__init__")
    return found


def layer_of(path):
    return path.relative_to(ROOT).parts[0].split(".")[0]


def sources():
    return [p for p in ROOT.rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".pxi")]


def test_each_package_imports_what_the_map_says_and_nothing_else():
    found = {}
    for path in sources():
        found.setdefault(layer_of(path), set()).update(imported(path) - {layer_of(path)})
    assert {layer: sorted(names) for layer, names in found.items() if names} == {
        layer: sorted(names) for layer, names in LAYERS.items()
    }


def test_imports_point_one_way():
    """TopologicalSorter names the circle, if there is one."""
    assert set(TopologicalSorter(LAYERS).static_order()) >= set(LAYERS)


def test_numba_is_imported_in_functions_of_custom_alone():
    for path in sources():
        lines = re.findall(r"^.*import numba.*$", path.read_text(encoding="utf-8"), re.M)
        assert bool(lines) == (path.name == "custom.py") and all(line.startswith("    ") for line in lines), path


def test_importing_fastsgd_loads_nothing_heavy():
    """Beyond what scikit-learn loads."""
    heavy = "numba", "dask", "pandas", "pyarrow", "matplotlib", "polars", "safetensors", "onnx"
    code = "import sys, sklearn.linear_model, sklearn.model_selection; before = set(sys.modules); import fastsgd; "
    code += f"print(sorted({{m.split('.')[0] for m in set(sys.modules) - before}} & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def test_what_few_use_is_loaded_on_use():
    """Solvers, files, advice, and what only several threads need."""
    later = "solvers", "verdict", "estimators.told", "persist.models", "persist.keeper", "persist.rules", "persist.onnx"
    later += (
        "diagnosis.judging",
        "split",
        "hogwild",
        "auto_merge",
        "auto_put",
        "estimators.beyond",
        "several",
        "estimators.eta_fits",
    )
    later += "inspection.trace_display", "inspection.surface_display"
    code = f"import sys, fastsgd; print([m for m in {later} if 'fastsgd.' + m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def test_without_dask_the_error_names_the_extra():
    code = "import sys; sys.modules['distributed'] = None; import fastsgd; import fastsgd.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert "ImportError: fastsgd.dask needs dask and distributed: pip install 'fastsgd[dask]'" in done.stderr
