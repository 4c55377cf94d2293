"""docs/errors.md shows what the commands say today."""

from __future__ import annotations

from docs_site.errors import PAGE, page


def test_the_page_is_what_is_said_today():
    written = PAGE.read_text(encoding="utf-8")
    assert page() == written, "python -m docs_site.errors writes it anew"
