"""The built site: every link within it leads somewhere, pictures are there, and no example of the gallery takes a minute.

python -m tests.support.built_site docs/_build/html
"""

import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LONGEST_EXAMPLE = 60  # seconds


class Page(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links |= {attrs[key] for key in ("href", "src") if attrs.get(key)}


def elsewhere(link):
    """Whether it leaves the site: no test can follow it without a network."""
    return bool(urlsplit(link).scheme or link.startswith("//"))


def broken(site):
    """(page, link) of each link within the site that leads to no file, or to no anchor of one."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # where the theme has its templates
    pages, found = {path: Page(path) for path in paths}, []
    for path, page in pages.items():
        for link in sorted(page.links):
            name, anchor = (unquote(part) for part in (urlsplit(link).path, urlsplit(link).fragment))
            target = (path.parent / name).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            if elsewhere(link):
                continue
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                found.append((path.relative_to(site).as_posix(), link))
    return found


def slow(report):
    """The examples of the gallery that took too long, by the report in JUnit's format that sphinx-gallery writes."""
    times = {case.get("name"): float(case.get("time")) for case in ET.parse(report).iter("testcase")}
    if not times:
        raise ValueError(
            f"{report} names no example: remove docs/gallery and build the site again, which runs them all"
        )
    return {name: seconds for name, seconds in times.items() if seconds > LONGEST_EXAMPLE}


def main(folder):
    site = Path(folder).resolve()
    if not (site / "index.html").exists():
        raise SystemExit(f"{folder} has no index.html: build the site first")
    wrong = [f"{page}: {link} leads nowhere" for page, link in broken(site)]
    wrong += [f"{name} took {seconds:.0f} s" for name, seconds in slow(site.parent / "gallery.xml").items()]
    print("\n".join(wrong) or f"{len(list(site.rglob('*.html')))} pages, and every link within them leads somewhere")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
