"""The guide: every page runs as it is written, fastsgd and NumPy agree, and what fastsgd does takes a few lines."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[1] / "docs/guide"
PAGES = ["neuron", "descent", "stochastic", "adaptive", "hills", "classes"]
MAX_LINES = 5  # of what fastsgd does; imports, comments and empty lines are not counted


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (GUIDE / f"{page}.md").read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_agrees_with_numpy(page, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    found = {}
    for number, block in enumerate(blocks(page)):
        exec(compile(block, f"{page}.md, block {number}", "exec"), found)


@pytest.mark.parametrize("page", PAGES)
def test_few_lines_and_numpy_beside_each(page):
    code = blocks(page)[1:]  # the first loads the data
    ours = [block for block in code if block.startswith("# fastsgd")]
    assert ours
    for block in ours:
        lines = [line for line in block.splitlines() if line.strip() and not re.match(r"#|import |from ", line)]
        assert len(lines) <= MAX_LINES, block
        after = code[code.index(block) + 1]
        assert after.startswith("# NumPy") and "assert " in after, block


def test_every_page_of_the_guide_is_tried():
    assert sorted(PAGES) == sorted(path.stem for path in GUIDE.glob("*.md") if path.stem != "index")
