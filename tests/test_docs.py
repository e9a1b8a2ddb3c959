"""The pages lead somewhere: each local link, image and named file of README, CHANGELOG, CONTRIBUTING and docs/ exists."""

import os
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


def anchors(page):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(page):
    """The local links of a page that lead nowhere."""
    found = []
    for link in LINK.findall(page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page):
    assert not broken(page)


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](#a-title) [b](#b) ![c](c.png) [d](page.md) [e](https://e.example)", "utf-8")
    assert broken(page) == ["#b", "c.png"]


def missing(page):
    """The files of the repository that a page names, from its root, and that are not there."""
    named = re.findall(r"\b(?:asv_benchmarks|docs|examples|src|tests)/[\w./-]+\.\w+", page.read_text("utf-8"))
    return [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    assert not missing(page)


def test_a_file_that_is_missing_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`tests/test_docs.py`, tests/no.py and `src/fastsgd/no.pyx`.", "utf-8")
    assert missing(page) == ["tests/no.py", "src/fastsgd/no.pyx"]


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("max_memory", ["2GB", "1MB"])
def test_the_first_example_of_large_data(max_memory, tmp_path, monkeypatch):
    """As it is written, and then from the shell, as it is written too."""
    pytest.importorskip("pyarrow"), pytest.importorskip("typer")
    from fastsgd.cli import main

    monkeypatch.chdir(tmp_path)
    page, found = (ROOT / "docs/large-data.md").read_text("utf-8"), {}
    for again in (False, True):  # as whoever tries it a second time does
        for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]:
            exec(example.replace('"2GB"', f'"{max_memory}"'), found)
        assert found["clf"].score(found["train"]) > 0.7
        made = ["clicks", "clicks.model", "held-out.parquet", "run.checkpoint"]
        there = sorted(name for name in os.listdir() if not name.endswith(".previous"))
        assert there == made + ["shell.checkpoint"] * again
        for command in re.findall(r"^    fastsgd (.*clicks\.model)$", page, re.MULTILINE):
            assert main(shlex.split(command)) == 0


def test_images_are_used_and_small():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for image in ROOT.glob("docs/images/*"):
        assert f"images/{image.name}" in text and image.stat().st_size < 120_000, image.name


@pytest.mark.parametrize("page", ["many-models.md"])
def test_the_examples_of_a_page(page):
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL):
        exec(example, {})
