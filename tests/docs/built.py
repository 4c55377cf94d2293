"""The built site as the tests read it: ids, links and what each page loads."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs_site.names import ROOT

SITE = ROOT / "site"


class BuiltPage(HTMLParser):
    """One page.

    Attributes:
        ids: what a link may name behind "#".
        links: what its text leads to.
        loads: what a browser fetches to show it.
        headings: how many of the first level it has.
        text: what a reader sees, without code.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.headings = 0
        self.text: list[str] = []
        self._silent: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        self.headings += tag == "h1"
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if values.get("src"):
            self.loads.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "icon"}:
            self.loads.append(values["href"])
        if tag in {"code", "pre", "script", "style"}:
            self._silent.append(tag)

    def handle_endtag(self, tag):
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data):
        if not self._silent:
            self.text.append(data)


@cache
def page_at(path: Path) -> BuiltPage:
    return BuiltPage(path.read_text(encoding="utf-8"))


def built_pages() -> list[str]:
    """Paths of the site's pages, without the one for addresses that do not exist."""
    return sorted(
        str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if path.stem != "404"
    )


def is_outside(link: str) -> bool:
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def target_of(link: str, page: str) -> tuple[Path, str]:
    """The file that a link of a page leads to, and the id in it."""
    parts = urlsplit(link)
    path = SITE / page
    if parts.path:
        path = (SITE / page).parent / unquote(parts.path)
        path = path / "index.html" if parts.path.endswith(("/", ".")) else path
    return path.resolve(), unquote(parts.fragment)
