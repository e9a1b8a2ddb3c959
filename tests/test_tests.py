"""What holds of the tests themselves: each asserts in every case, and what modules share is in support/."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MODULES = sorted(FOLDER.glob("test_*.py"))


def without_functions(node):
    """The statements and expressions of a function, those of functions within it left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from without_functions(child)


def early_returns(text):
    """The tests that may end before their assertions."""
    tests = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    )
    return [test.name for test in tests if any(isinstance(node, ast.Return) for node in without_functions(test))]


def imported(text):
    """The modules whose names are imported, in functions too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_test_returns_and_no_module_imports_another(path):
    text = path.read_text("utf-8")
    assert not early_returns(text), "such cases are skipped at collection: leave them out of parametrize"
    assert not [name for name in imported(text) if name.startswith("test_")], "what modules share is in support/"


def test_a_test_that_returns_is_found():
    text = """
def test_a(x):
    if x:
        return
    assert x

def test_b(x):
    def helper():
        return x
    assert helper()
"""
    assert early_returns(text) == ["test_a"] and list(imported("from test_x import y\nimport z")) == ["test_x", "z"]
