"""What is looked for in the built site (the build itself is a section of .ci/run): broken links, and slow examples."""

import re
from pathlib import Path

import pytest
from support import built_site

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(ROOT.glob("examples/gallery/plot_*.py"))


@pytest.fixture(name="site")
def folder_of_two_pages(tmp_path):
    site = tmp_path / "html"
    (site / "deeper").mkdir(parents=True)
    (site / "picture.png").write_bytes(b"")
    (site / "index.html").write_text('<a id="top" href="deeper/page.html#there">a</a> <img src="picture.png">', "utf-8")
    (site / "deeper/page.html").write_text(
        '<p id="there"><a href="../index.html#top">b</a> <a href="#there">c</a>', "utf-8"
    )
    (tmp_path / "gallery.xml").write_text('<testsuite><testcase name="quick" time="1.5"/></testsuite>', "utf-8")
    return site


def test_links_that_lead_somewhere_are_no_fault(site, capsys):
    assert built_site.main(str(site)) == 0 and capsys.readouterr().out.startswith("2 pages")


@pytest.mark.parametrize("link", ["no.html", "../no.png", "../index.html#no", "#no"])
def test_a_link_that_leads_nowhere_is_found(link, site):
    (site / "deeper/page.html").write_text(
        f'<p id="there"><a href="{link}">a</a> <a href="https://e.example">b</a>', "utf-8"
    )
    assert built_site.broken(site) == [("deeper/page.html", link)] and built_site.main(str(site)) == 1


def test_an_example_that_takes_longer_than_a_minute_is_found(site):
    report = site.parent / "gallery.xml"
    report.write_text('<testsuite><testcase name="a" time="61"/><testcase name="b" time="59"/></testsuite>', "utf-8")
    assert built_site.slow(report) == {"a": 61.0}


def test_a_gallery_that_was_not_run_is_no_success(site):
    (site.parent / "gallery.xml").write_text("<testsuite/>", "utf-8")
    with pytest.raises(ValueError, match="names no example"):
        built_site.main(str(site))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_screen_that_asks_one_question_shows_one_picture_and_checks(path):
    text = path.read_text("utf-8")
    title = re.match(r'"""\n(.*\?)\n=+\n', text)
    code = [line for line in text.split('"""', 2)[2].splitlines() if line and not line.startswith("#")]
    assert title, "the title is a question"
    assert len(code) <= 50, "the code fits on a screen"
    assert text.count("plt.show()") == 1
    assert re.search(r"assert_allclose|^ *assert ", text, re.M), "NumPy stands beside it"
