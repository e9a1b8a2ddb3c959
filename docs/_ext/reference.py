"""The API reference: a page for each public module and for each public name in it, made from `__all__` before each build.

What is inherited from scikit-learn is described there, and is left out here.
"""

import inspect
from importlib import import_module
from pathlib import Path

from sphinx.util.osutil import ensuredir

MODULES = {
    "fastsgd": "Estimators",
    "fastsgd.losses": "Losses",
    "fastsgd.optimizers": "Optimizers",
    "fastsgd.schedules": "Schedules of step sizes",
    "fastsgd.stopping": "Stopping rules",
    "fastsgd.sources": "Sources of rows",
    "fastsgd.inspection": "Looking at a training",
    "fastsgd.diagnosis": "What a diagnosis consists of",
    "fastsgd.dask": "On a cluster",
}


def names(module):
    """The public names of a module that are no modules themselves, estimators and other classes before functions."""
    found = [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    return sorted(found, key=lambda name: (not inspect.isclass(getattr(module, name)), name))


def title(text):
    return f"{text}\n{'=' * len(text)}\n\n"


def toctree(pages):
    return ".. toctree::\n   :hidden:\n\n" + "".join(f"   {page}\n" for page in pages) + "\n"


def page_of_module(name, words):
    """Its docstring, and a table of its names with the first line of each."""
    found = names(import_module(name))
    table = ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   {one}\n" for one in found)
    return (
        title(f"{words}: {name}" if name != "fastsgd" else "Estimators, models and functions: fastsgd")
        + f".. automodule:: {name}\n   :no-members:\n\n.. currentmodule:: {name}\n\n{table}\n"
        + toctree(f"generated/{name}.{one}" for one in found)
    )


def page_of_name(module, name):
    """Its docstring, those of its own methods, and the examples of the gallery that use it."""
    item, whole = getattr(import_module(module), name), f"{module}.{name}"
    directive = "autoclass" if inspect.isclass(item) else "autofunction"
    members = "   :members:\n   :inherited-members:\n" if inspect.isclass(item) else ""
    return (
        title(whole)
        + f".. currentmodule:: {module}\n\n.. {directive}:: {name}\n{members}\n"
        + f".. minigallery:: {whole}\n   :add-heading: Examples of the gallery with it\n"
    )


def write(path, text):
    """Only where it differs, so that the next build need not read it again."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def make_pages(app, config):
    folder = Path(app.srcdir) / "api"
    ensuredir(folder / "generated")
    rows = "".join(f"   * - :doc:`{name} <{name}>`\n     - {words}\n" for name, words in MODULES.items())
    pages = {"index": title("API reference") + INDEX + rows + "\n" + toctree(MODULES)}
    for module, words in MODULES.items():
        pages[module] = page_of_module(module, words)
        pages |= {f"generated/{module}.{name}": page_of_name(module, name) for name in names(import_module(module))}
    for name, text in pages.items():
        write(folder / f"{name}.rst", text)
    for path in folder.rglob("*.rst"):
        if path.relative_to(folder).with_suffix("").as_posix() not in pages:
            path.unlink()


INDEX = """Every public name, with its parameters, what it returns, what it raises, and an example that the tests run.
Methods that an estimator has from scikit-learn (``get_params``, ``set_params``, the requests of metadata) are described there.

.. list-table::
   :widths: 30 70

"""


def skip(app, what, name, item, skipped, options):
    """Leave out what is inherited from elsewhere: scikit-learn's methods, those of tuples."""
    function = inspect.unwrap(getattr(item, "fget", None) or getattr(item, "__func__", item))
    home = getattr(function, "__module__", None) or getattr(getattr(function, "__objclass__", None), "__module__", "")
    if what == "class" and not skipped and callable(function) and not home.startswith("fastsgd"):
        return True
    return None


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("config-inited", make_pages, priority=100)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
