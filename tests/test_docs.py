"""The pages lead somewhere: each local link, image and named file of README, CHANGELOG, CONTRIBUTING and docs/ exists."""

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MADE = "_build", "api", "gallery"  # in docs/, by the build of the site
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if not any(page.is_relative_to(ROOT / "docs" / made) for made in MADE)
)
SESSIONS = [page for page in PAGES if "```pycon" in page.read_text("utf-8")]
LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


def anchors(page):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(page):
    """The local links of a page that lead nowhere, but for those to what only the build of the site makes."""
    found = []
    for link in LINK.findall(page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if re.match(r"[a-z]+:", link):
            continue
        if any(target.is_relative_to(ROOT / "docs" / made) for made in MADE):
            continue  # `tests/support/built_site.py` follows those, once they are made
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


@pytest.mark.parametrize("page", ["checkpoints.md", "diagnosis.md", "intervals.md", "linear.md", "many-models.md"])
def test_the_examples_of_a_page(page, tmp_path, monkeypatch):
    """Each goes on from those above it."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL):
        exec(example, found)
    assert found


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.name)
def test_what_a_page_shows_at_the_prompt(page, tmp_path, monkeypatch, capsys):
    """Each session goes on from those above it on the page."""
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(re.findall(r"```pycon\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(doctest.DocTestParser().get_doctest(lines, {}, page.name, str(page), 0))
    assert runner.tries and not runner.failures, capsys.readouterr().out


@pytest.mark.parametrize("peer", ["torch", "statsmodels"])
def test_the_peers_side_of_a_migration(peer, capsys):
    """It prints the numbers that ours does, which the page shows."""
    pytest.importorskip(peer)
    page = (ROOT / f"docs/migration/{peer}.md").read_text("utf-8")
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, {})
    shown = {"torch": "0.9677 -2.0681  3.1474", "statsmodels": "23.193"}[peer]
    assert shown in capsys.readouterr().out and shown in page


def test_the_first_model_of_a_table(tmp_path, monkeypatch):
    """As the page has it, in Python and by the command."""
    for needed in ("pyarrow", "typer", "matplotlib", "pandas"):
        pytest.importorskip(needed)
    import matplotlib

    from fastsgd.cli import main

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    page, found = (ROOT / "docs/get-started.md").read_text("utf-8"), {}
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, found)
    assert found["model"].score(found["sources"].from_arrow(found["test"], target="sold")) > 0.6
    commands = re.findall(r"^    fastsgd (.*)$", page, re.MULTILINE)
    assert len(commands) == 4 and not any(main(shlex.split(command)) for command in commands)
    assert {"houses.safetensors", "houses.model", "training.png"} <= set(os.listdir())
    found["plt"].close("all")


def test_flags_that_a_migration_names_are_there():
    """In the columns of ours, which are the second."""
    pytest.importorskip("typer")
    import typer

    from fastsgd.cli.app import app

    group = typer.main.get_command(app)
    commands = [group.get_command(None, name) for name in group.list_commands(None)]
    there = {
        flag for command in commands for option in command.params for flag in [*option.opts, *option.secondary_opts]
    }
    page = (ROOT / "docs/migration/vowpal-wabbit.md").read_text("utf-8")
    ours = [row.split("|")[2] for row in page.splitlines() if row.startswith("| `")]
    named = {flag for cell in ours for flag in re.findall(r"--[a-z0-9-]+", cell)}
    assert len(named) > 15 and not named - there


def typed(line, capsys):
    """What a line of the shell prints: cat, head, tail, Python, and the command."""
    from fastsgd.cli import main

    said = ""
    for part in line.split(" | "):
        words = shlex.split(part)
        if words[0] == "fastsgd":
            code, printed = main(words[1:]), capsys.readouterr()
            said = printed.out + (printed.err if code else "")
            assert code == ("\nerror: " in said)
        elif words[0] in ("head", "tail"):
            lines = (Path(words[2]).read_text("utf-8") if words[2:] else said).splitlines(keepends=True)
            said = "".join(lines[: -int(words[1])] if words[0] == "head" else lines[int(words[1]) :])
        elif words[0] == "python":
            subprocess.run([sys.executable, ROOT / words[1], *words[2:]], check=True)
        else:
            assert words[0] == "cat"
            said = Path(words[1]).read_text("utf-8")
    return said


def about(text):
    """Words and numbers, these about as exact as other processors have them."""
    words = re.split(r"[\s,│┃]+", text.strip())
    return [round(float(one), 2) if re.fullmatch(r"-?\d+\.\d+", one) else one for one in words]


@pytest.mark.parametrize("page, n_sessions", [("command.md", 4), ("tables.md", 7)])
def test_the_sessions_of_the_command(page, n_sessions, tmp_path, monkeypatch, capsys):
    """What a page shows is what is printed; numbers but for their last digits. What it does in Python after that works."""
    pytest.importorskip("pyarrow"), pytest.importorskip("typer"), pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, {})
    if Path("new-people.csv").exists():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("new-people.csv").read_bytes())))
    sessions = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    for session in sessions:
        for line, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.M):
            said = typed(line, capsys)
            assert about(said)[:3] == about(shown)[:3] and len(about(said)) == len(about(shown)), line
            assert sum(a != b for a, b in zip(about(said), about(shown), strict=True)) <= len(about(shown)) // 50, line
    assert len(sessions) == n_sessions
    for block in re.findall(r"```py\n(.*?)```", text, re.DOTALL):
        exec(block, {})
