"""Pages of the site whose text stands outside docs/, and links that leave docs/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from posixpath import normpath, relpath
from typing import Final

from docs_site.names import ROOT

# File of the repository -> page of the site.
ROOT_PAGES: Final[Mapping[str, str]] = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
_PAGE_OF_INDEX: Final = "index.md"
README_MARK: Final = "<!-- the README's first screen -->"


def root_pages() -> Mapping[str, str]:
    """Path below docs/ -> Markdown."""
    return {page: (ROOT / file).read_text(encoding="utf-8") for file, page in ROOT_PAGES.items()}


def start_of_readme() -> str:
    """The README's text up to its second heading, without the title; links are those of docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    body = re.sub(r"\A# .*\n", "", first).strip()
    return relinked(body, "README.md", _PAGE_OF_INDEX)


def repository() -> str:
    """The address of the repository, which stands in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (address,) = re.findall(r'^Repository = "(.*)"$', text, re.MULTILINE)
    return str(address)


def relinked(markdown: str, file: str, page: str) -> str:
    """Text of a file with its links as they are on the site.

    Args:
        markdown: the text.
        file: its path in the repository, which relative links start from.
        page: its path on the site, below docs/.
    """

    def target(found: re.Match[str]) -> str:
        path = normpath(str(PurePosixPath(file).parent / found[1]))
        if path in ROOT_PAGES:
            return relpath(ROOT_PAGES[path], PurePosixPath(page).parent)
        if path.startswith("docs/"):
            shown = re.sub(r"(?<=^docs/notebooks/)(\w+)\.py$", r"\1.md", path)
            return relpath(shown.removeprefix("docs/"), PurePosixPath(page).parent)
        return f"{repository()}/blob/main/{path}"

    return _LINK.sub(target, markdown)
