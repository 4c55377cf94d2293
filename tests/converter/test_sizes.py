"""Sizes for people."""

from __future__ import annotations

import pytest

from weights_converter.arrays.sizes import size_text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (32_768, "32.8 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (46_800_000, "46.8 MB"),
        (3_210_000_000, "3.2 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(nbytes, text):
    assert size_text(nbytes) == text
