"""What a release says of itself: one version everywhere, and the same dependencies wherever they are written down."""

import re
import tomllib
from pathlib import Path

import pytest

import fastsgd

yaml = pytest.importorskip("yaml")  # Dask needs it
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONDA = {"matplotlib": "matplotlib-base", "dask": "dask-core"}  # conda-forge's names, where they are others


def of_conda(requirement):
    """A requirement of pip in conda-forge's words: without extras, and with a space before the version."""
    name, version = re.fullmatch(r"([\w-]+)(?:\[\w+\])?(.*)", requirement).groups()
    return f"{CONDA.get(name, name)} {version}".strip()


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert fastsgd.__version__ == PROJECT["version"] == citation["version"] == RECIPE["context"]["version"]


@pytest.mark.parametrize("page", ["README.md", "docs/get-started.md"])
def test_pages_name_the_wheel_as_it_is_built(page):
    """tools/build_manylinux.sh gives it this name, with Python 3.11 of Linux on x86-64."""
    systems = "manylinux2014_x86_64.manylinux_2_17_x86_64"
    wheels = re.findall(r"[\w.-]+\.whl", (ROOT / page).read_text("utf-8"))
    assert wheels == [f"fastsgd-{fastsgd.__version__}-cp311-cp311-{systems}.whl"]


def test_conda_asks_for_what_pip_asks_for():
    needs = RECIPE["requirements"]
    assert set(needs["run"]) == {"python", *map(of_conda, PROJECT["dependencies"])}
    assert set(needs["run_constraints"]) == {of_conda(one) for one in PROJECT["optional-dependencies"]["all"]}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert set(needs["host"]) == {
        "python",
        "pip",
        *(re.sub(r"^(\w+)", lambda m: m[1].lower() + " ", one) for one in build),
    }


def test_each_python_that_is_declared_has_a_wheel_and_is_tested():
    declared = {one.split(" :: ")[-1] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", one)}
    assert min(declared, key=lambda version: int(version[2:])) == PROJECT["requires-python"].removeprefix(">=")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["cibuildwheel"]
    assert {f"3.{version}" for version in re.findall(r"cp3(\d+)-\*", settings["build"])} == declared
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    assert set(ci["jobs"]["everything"]["strategy"]["matrix"]["python"]) == declared


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_files_that_are_there(path):
    text = path.read_text("utf-8")
    named = re.findall(r"(?<![\w./-])((?:\.ci|tools|\.github)/[\w./-]+)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_the_wheel_has_every_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    source = ROOT / "src"
    found = {".".join(path.parent.relative_to(source).parts) for path in source.glob("fastsgd/**/__init__.py")}
    assert set(settings["packages"]) == found
