"""A browser shows every page whole, on a desktop and on a phone, and asks no other host."""

from __future__ import annotations

import pytest

from tests.docs.browser import BROWSER, WIDTHS, look_at
from tests.docs.built import built_pages

pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no Chromium or Chrome here")


@pytest.fixture(scope="module")
def seen():
    return look_at(built_pages())


def test_every_page_is_looked_at_in_both_widths(seen):
    assert len(seen) == len(built_pages()) * len(WIDTHS)
    assert all(look["height"] > 300 for look in seen)


def test_no_page_is_wider_than_the_window(seen):
    assert [(look["page"], look["width"]) for look in seen if look["too_wide"] > 0] == []


def test_no_picture_is_missing(seen):
    assert [(look["page"], look["broken"]) for look in seen if look["broken"]] == []


def test_no_other_host_is_asked(seen):
    assert [(look["page"], look["outside"]) for look in seen if look["outside"]] == []
