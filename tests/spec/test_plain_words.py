"""The documents and the help say things in the words that readers expect.

A phrase is on the list where a reader has stumbled over it; beside it stands what to say.
"""

from __future__ import annotations

import re

import pytest

from docs_site.command_pages import command_pages
from docs_site.notebooks import notebook_pages
from tests.documents import PAGES, text_of

INSTEAD = {
    r"\bRead are\b": "Supported inputs:",
    r"\bfound out from\b": "inferred from",
    r"\bfile system said\b": "file system error",
    r"\bnobody has told\b": "the default",
    r"\brun goes on\b|\bgoes on with the training\b": "continues",
    r"\bat hand\b": "available",
    r"\bbug [\w ]*has struck\b": "a bug occurred",
    r"\btakes images for\b": "classifies images",
    r"\breader of the output has gone\b": "the program that reads the output has ended",
    r"\bas many of each\b": "equally many of each",
    r"\bfor who feeds\b|\bwhoever feeds\b": "for the caller",
    r"\bwithout a word\b": "silently",
}
TEXTS = {page: text_of(page) for page in PAGES} | command_pages() | notebook_pages()


@pytest.mark.parametrize("page", TEXTS)
def test_plain_words(page):
    found = [
        f"{match[0]!r}: say {better!r}"
        for phrase, better in INSTEAD.items()
        for match in re.finditer(phrase, TEXTS[page], re.IGNORECASE)
    ]
    assert found == []
