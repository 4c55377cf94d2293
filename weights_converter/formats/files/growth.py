"""How much more than its file a checkpoint may take in memory."""

from __future__ import annotations

from weights_converter.formats.files.source import Source

# A view of one number can claim to be any number of gigabytes, and so can compressed zeros.
_MOST_GROWTH = 4
_FREE_BYTES = 1 << 26


def check_growth(source: Source, nbytes: int) -> None:
    """Raises RefusedError if arrays of `nbytes` are more than the file can honestly hold."""
    if nbytes > _MOST_GROWTH * source.size + _FREE_BYTES:
        raise source.refused(f"its arrays would take {nbytes} bytes, the file has {source.size}")
