"""Type hints: all that users call has them, and the stubs of compiled modules name what the modules have."""

import ast
import importlib
import inspect
import re
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import fastsgd
import fastsgd.dask
from fastsgd import optimizers, stopping

ROOT = Path(fastsgd.__file__).parent
STUBS = sorted(ROOT.rglob("*.pyi"))
COMPILED = sorted(
    p.parent / p.name.split(".")[0] for p in ROOT.rglob("*") if p.name.endswith(tuple(EXTENSION_SUFFIXES))
)


def public(names):
    return {name for name in names if not name.startswith("_")}


def module_of(path):
    return importlib.import_module(".".join(["fastsgd", *path.relative_to(ROOT).parts]))


def test_the_package_says_that_it_has_hints():
    assert (ROOT / "py.typed").exists()


def test_every_compiled_module_has_a_stub():
    """The kernels for newer processors are not built for other ones."""
    stubs = {path.with_suffix("") for path in STUBS}
    assert stubs >= set(COMPILED) and {path.name for path in stubs - set(COMPILED)} <= {"v3", "solve_v3"}


def test_the_stubs_are_in_wheels():
    """Those of every package; a source distribution has them by MANIFEST.in."""
    project = Path(__file__).parent.parent
    data = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    packages = {".".join(["fastsgd", *path.relative_to(ROOT).parts[:-1]]) for path in STUBS}
    assert packages == {package for package, patterns in data.items() if "*.pyi" in patterns}
    assert "*.pyi" in (project / "MANIFEST.in").read_text("utf-8").splitlines()[0].split()


def test_wheels_have_every_package():
    """Those of the source tree; one that is left out is missed only where fastsgd is installed."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    there = {".".join(["fastsgd", *path.parent.relative_to(ROOT).parts]) for path in ROOT.rglob("__init__.py")}
    assert there == set(project["tool"]["setuptools"]["packages"])


def stub_of(path):
    """Its tree; of a stub that takes all from that of another build, the tree of that."""
    text = path.with_suffix(".pyi").read_text("utf-8")
    other = re.match(r"from fastsgd\.(\S+) import \*", text)
    return stub_of(ROOT / other[1].replace(".", "/")) if other else ast.parse(text)


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_a_stub_names_what_its_module_has(path):
    """Classes and functions of the module itself, the methods of its classes, and their arguments."""
    module, tree = module_of(path), stub_of(path)
    stubs = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    own = {name for name, item in vars(module).items() if getattr(item, "__module__", None) == module.__name__}
    assert public(stubs) == {name for name in public(own) if callable(getattr(module, name))}
    for name, node in stubs.items():
        if isinstance(node, ast.FunctionDef):
            assert arguments(node) == list(inspect.signature(getattr(module, name)).parameters), name
            continue
        methods, cls = methods_of(stubs, node), getattr(module, name)
        assert set(methods) == {key for key in public(dir(cls)) if inspect.isroutine(getattr(cls, key))}, name
        for key, method in methods.items():
            assert arguments(method) == list(inspect.signature(getattr(cls, key)).parameters), f"{name}.{key}"


def methods_of(stubs, node):
    """Those of the class and of what it is derived from."""
    found = {}
    for base in node.bases:
        found |= methods_of(stubs, stubs[base.id])
    own = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef) and not m.decorator_list}
    return found | {name: own[name] for name in public(own)}


def arguments(node):
    given = node.args
    all_of_them = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [one.arg for one in all_of_them if one is not None]


def callables():
    """(name, function) of all that is public: functions, methods and properties."""
    for module in (fastsgd, fastsgd.sources, fastsgd.persist, optimizers, stopping, fastsgd.inspection, fastsgd.dask):
        for name in public(getattr(module, "__all__", vars(module))):
            item = getattr(module, name)
            if inspect.isfunction(item):
                yield f"{module.__name__}.{name}", item
            elif inspect.isclass(item):
                for key in ["__init__", *public(dir(item))]:
                    found = inspect.getattr_static(item, key)
                    found = getattr(found, "__func__", getattr(found, "fget", found))
                    if inspect.isfunction(found):
                        yield f"{module.__name__}.{name}.{key}", found


def test_everything_public_has_hints():
    """What is compiled has them in its stub, and what is of scikit-learn is not ours."""
    missing, seen = [], 0
    for name, function in callables():
        function = inspect.unwrap(function)
        if function.__module__.startswith("fastsgd."):
            own = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
            seen += 1
            if {*own, "return"} - set(function.__annotations__):
                missing.append(name)
    assert not missing and seen > 50
