"""The reference is complete: each public name says in a line what it is, names its parameters as the signature does, says
what comes back, and has an example; algorithms have their source.

What counts: the names in `__all__` of the public modules, and the methods and properties of their classes that are
defined in fastsgd. What an estimator inherits from scikit-learn is described there.
"""

import builtins
import dataclasses
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest
import sklearn.exceptions

MODULES = (
    "fastsgd",
    *(
        f"fastsgd.{name}"
        for name in ("losses", "optimizers", "schedules", "stopping", "sources", "inspection", "diagnosis", "dask")
    ),
)
ALGORITHMS = "fastsgd.losses", "fastsgd.optimizers", "fastsgd.schedules"
SECTIONS = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Warns",
    "Notes",
    "References",
    "Examples",
    "See Also",
)


def public(name):
    """(name, item) of what a module offers that is no module itself."""
    module = importlib.import_module(name)
    return [(key, getattr(module, key)) for key in module.__all__ if not inspect.ismodule(getattr(module, key))]


ITEMS = {f"{module}.{name}": item for module in MODULES for name, item in public(module)}


def plain(item):
    """The function behind a method of any kind, or the property; None for all else."""
    found = inspect.unwrap(getattr(item, "__func__", item))
    return found if isinstance(found, property) or (inspect.isroutine(found) and callable(found)) else None


def methods(cls):
    """(name, method) of what is ours."""
    for name in dir(cls):
        found = plain(inspect.getattr_static(cls, name))
        function = getattr(found, "fget", None) or found
        home = getattr(function, "__module__", None) or getattr(function, "__objclass__", cls).__module__
        if name[0] != "_" and found is not None and home.startswith("fastsgd"):
            yield name, found


METHODS = {
    f"{name}.{key}": (item, key) for name, item in ITEMS.items() if inspect.isclass(item) for key, _ in methods(item)
}


def described(cls, name):
    """The docstring of a method: its own, or that of the class it overrides."""
    found = (plain(vars(base)[name]) for base in cls.__mro__ if name in vars(base))
    return next((one.__doc__ for one in found if one is not None and one.__doc__), "")


def sections(text):
    """The summary of a docstring, and its sections by name."""
    parts = re.split(rf"^({'|'.join(SECTIONS)})\n-+\n", inspect.cleandoc(text or ""), flags=re.M)
    return parts[0], dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section):
    """The names that a section explains: ``a, b : float`` are two."""
    heads = [line.split(" : ")[0] for line in section.splitlines() if line and line[0] not in " ."]
    return [name.strip() for head in heads for name in head.split(",") if name.strip()]


def arguments(item):
    """The parameters of a call, as a docstring writes them. Compiled classes have them in `params`."""
    if isinstance(item, property):
        return []
    try:
        found = inspect.signature(item).parameters.values()
    except ValueError:
        return list(getattr(item, "params", ()))
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [stars.get(p.kind, "") + p.name for p in found if p.name not in ("self", "cls")]


def is_record(item):
    """A result that users do not make: its fields are attributes."""
    return inspect.isclass(item) and (dataclasses.is_dataclass(item) or hasattr(item, "_fields"))


def made_by_users(item):
    """Whether it is no result and no exception: the example of those is where they come from."""
    return not is_record(item) and not (inspect.isclass(item) and issubclass(item, BaseException))


def is_exception(name):
    """Whether Python, scikit-learn or the module of that name has such an exception or warning."""
    module, _, last = name.rpartition(".")
    places = [importlib.import_module(module)] if module else [builtins, sklearn.exceptions]
    return any(inspect.isclass(getattr(place, last, None)) for place in places)


def misread(text):
    """What reStructuredText takes for a link or a substitution, and is meant as it stands: it belongs in backquotes."""
    summary, found = sections(text)
    prose = [
        re.sub(r"::\n\n( +.*\n?)+", "", part) for part in (summary, found.get("Notes", ""))
    ]  # without literal blocks
    for name in ("Parameters", "Attributes", "Returns", "Raises"):  # without the names that they explain
        prose += [line for line in found.get(name, "").splitlines() if line[:1] == " "]
    words = re.sub(r"`[^`]*`", "", " ".join(prose).replace("``", "`"))
    return re.findall(r"(?<!\w)[A-Za-z]\w*_(?!\w)|\|[^\s|][^|]*\|", words)


def faults(item, text, example):
    """What a docstring lacks, in words."""
    summary, found = sections(text)
    lines = summary.splitlines() or [""]
    if not lines[0] or (len(lines) > 1 and lines[1]):
        yield "the first line is no summary"
    named, wanted = entries(found.get("Parameters", "")), arguments(item)
    if is_record(item):
        named += entries(found.get("Attributes", ""))
        wanted = [name for name in wanted if name not in named] + named
    if wanted and wanted[-1].startswith("**") and len(named) >= len(wanted):  # the options, or a name for all of them
        wanted = [*wanted[:-1], *(name for name in named if name not in wanted[:-1])]
    if sorted(wanted) != sorted(named):
        yield f"Parameters lacks {set(wanted) - set(named)}, and has too much {set(named) - set(wanted)}"
    gives = getattr(item, "__annotations__", {}).get("return")
    if inspect.isroutine(item) and gives not in (None, "None") and not {"Returns", "Yields"} & set(found):
        yield "no Returns"
    if example and made_by_users(item) and not doctest.DocTestParser().get_examples(found.get("Examples", "")):
        yield "no Examples"
    yield from (f"{word} is not in backquotes" for word in misread(text))
    yield from (f"Raises names {name}" for name in entries(found.get("Raises", "")) if not is_exception(name))


@pytest.mark.parametrize("name", ITEMS)
def test_classes_and_functions(name):
    assert not list(faults(ITEMS[name], ITEMS[name].__doc__, example=True))


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_properties(name):
    cls, key = METHODS[name]
    assert not list(faults(plain(inspect.getattr_static(cls, key)), described(cls, key), example=False))


@pytest.mark.parametrize("name", [name for name in ITEMS if name.rpartition(".")[0] in ALGORITHMS])
def test_losses_optimizers_and_schedules_have_a_source(name):
    """Those that can be chosen by a name, or made by users: who proposed them."""
    item = ITEMS[name]
    chosen = inspect.isclass(item) and getattr(item, "name", None) is not None
    assert not chosen or re.search(r"\(\d{4}\)", sections(item.__doc__)[1].get("References", ""))


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_listed(module):
    """What a public module itself defines, and does not hide by an underscore, is in its `__all__`, or in that of fastsgd."""
    module = importlib.import_module(module)
    own = {name for name, item in vars(module).items() if getattr(item, "__module__", None) == module.__name__}
    own = {
        name
        for name in own
        if name[0] != "_" and (inspect.isclass(vars(module)[name]) or inspect.isroutine(vars(module)[name]))
    }
    assert own <= {*module.__all__, *importlib.import_module("fastsgd").__all__}


def test_the_site_has_these_modules():
    text = (Path(__file__).parents[1] / "docs/_ext/reference.py").read_text("utf-8")
    assert tuple(re.findall(r'^    "(fastsgd[\w.]*)": ', text, re.M)) == MODULES


def test_faults_are_found():
    def function(a, b, *, c) -> int:
        """Two lines that
        are no summary of ``coef_`` and coef_.

        Parameters
        ----------
        a, c : int

        Raises
        ------
        WrongError
        """

    assert [fault.split(",")[0] for fault in faults(function, function.__doc__, example=True)] == [
        "the first line is no summary",
        "Parameters lacks {'b'}",
        "no Returns",
        "no Examples",
        "coef_ is not in backquotes",
        "Raises names WrongError",
    ]
