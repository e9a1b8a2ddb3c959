"""No function takes more than twelve parameters, in Python, Cython or C: what belongs together has a name."""

import ast
import re
from pathlib import Path

import pytest

import fastsgd

ROOT, MOST = Path(fastsgd.__file__).parent, 12
CONSTRUCTORS = ("estimators",)  # The settings of an estimator, and what users give to its `fit` by name.


def of_python(text):
    """(name, number of parameters) of each function."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            given = node.args
            all_kinds = given.posonlyargs + given.args + given.kwonlyargs
            yield node.name, len(all_kinds) + bool(given.vararg) + bool(given.kwarg)


def of_cython(text):
    for found in re.finditer(r"^ *(?:cdef|cpdef|def)\b[^\n=(]*?(\w+)\(", text, re.MULTILINE):
        depth, parts = 1, [""]
        for c in text[found.end() :]:
            depth += (c in "([") - (c in ")]")
            if not depth:
                break
            parts = [*parts, ""] if c == "," and depth == 1 else [*parts[:-1], parts[-1] + c]
        yield found[1], sum(bool(part.strip()) for part in parts)


def of_c(text):
    for found in re.finditer(r"(\w+)\(([^(){};]*)\)\s*(?:\\\s*)?\{", text):
        if found[1] not in ("if", "for", "while", "switch"):
            yield found[1], found[2].count(",") + 1


READERS = {".py": of_python, ".pyi": of_python, ".pyx": of_cython, ".pxi": of_cython, ".pxd": of_cython, ".h": of_c}
SOURCES = [path for path in sorted(ROOT.rglob("*")) if path.suffix in READERS]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_function_takes_more_than_twelve_parameters(path):
    found = READERS[path.suffix](path.read_text("utf-8"))
    free = path.relative_to(ROOT).as_posix().startswith(CONSTRUCTORS)
    assert not [(name, n) for name, n in found if n > MOST and not (free and name in ("__init__", "fit"))]


def test_parameters_are_counted():
    names = [f"p{i}" for i in range(13)]
    assert list(of_python(f"def f({', '.join(names)}, *, q=(1, 2)):\n    pass\n")) == [("f", 14)]
    typed = ",\n       ".join(f"const double[:, ::1] {name}" for name in names)
    assert list(of_cython(f"cdef inline int f({typed}) except -1:\n    g(1)\n\ndef h():\n    pass\n")) == [
        ("f", 13),
        ("h", 0),
    ]
    assert list(of_c("static int f(const int *a, int b) {\n    if (a) { g(b); }\n}\n")) == [("f", 2)]
