"""What MkDocs calls while it builds the site; mkdocs.yml names this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs_site.command_pages import command_nav, command_pages
from docs_site.formulas import with_formulas
from docs_site.notebooks import notebook_pages
from docs_site.reference import reference_nav, reference_pages
from docs_site.root_pages import (
    README_MARK,
    ROOT_PAGES,
    relinked,
    repository,
    root_pages,
    start_of_readme,
)

_FILES = {page: file for file, page in ROOT_PAGES.items()}
_GENERATED: Mapping[str, Callable[[], Sequence[Any]]] = {
    "{commands}": command_nav,
    "{packages}": reference_nav,
    "{repository}": lambda: [{"Repository": repository()}],
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the pages that are made here into the navigation.

    The repository is a link in it: with `repo_url`, the theme would ask its host for stars.
    """
    config.nav = _filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made here."""
    for path, text in {
        **root_pages(),
        **notebook_pages(),
        **command_pages(),
        **reference_pages(),
    }.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Gives links that leave docs/ their place on the site."""
    path = page.file.src_uri
    text = markdown.replace(README_MARK, start_of_readme())
    return relinked(text, _FILES.get(path, f"docs/{path}"), path)


def on_page_content(html: str, **_: Any) -> str:
    """Turns formulas into MathML."""
    return with_formulas(html)


def _filled(nav: Any) -> Any:
    """The navigation with lists in the place of their names in braces."""
    if isinstance(nav, dict):
        return {title: _filled(entry) for title, entry in nav.items()}
    if not isinstance(nav, list):
        return nav
    filled: list[Any] = []
    for entry in nav:
        made = _GENERATED.get(entry) if isinstance(entry, str) else None
        filled += made() if made else [_filled(entry)]
    return filled
