"""The examples in docstrings, of compiled modules too, and in the README."""

import doctest
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import fastsgd

README = Path(__file__).parent.parent / "README.md"
# v3 is base, compiled for processors that this one need not be
MODULES = [m.name for m in pkgutil.walk_packages(fastsgd.__path__, "fastsgd.") if m.name != "fastsgd._kernels.v3"]
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S) if README.exists() else []


def examples(name):
    """The doctests of a module that have examples, by name."""
    tests = doctest.DocTestFinder().find(import_module(name), name)
    return {test.name: test for test in tests if test.examples}


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, capsys):
    if name.startswith("fastsgd.inspection.") and name.endswith(("trace", "display")):
        pytest.importorskip("matplotlib")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in examples(name).values():
        runner.run(test)
    assert not runner.failures, capsys.readouterr().out


def test_compiled_docstrings_are_found():
    assert {"fastsgd.losses.Hinge", "fastsgd.losses.get"} <= set(examples("fastsgd.losses"))
    assert "fastsgd.schedules.get" in examples("fastsgd.schedules")


@pytest.mark.parametrize("code", BLOCKS, ids=[f"block{i}" for i in range(len(BLOCKS))])
def test_readme(code):
    exec(compile(code, "README.md", "exec"), {})
