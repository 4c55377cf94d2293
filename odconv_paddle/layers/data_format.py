"""Where the channels are. All arithmetic in this package has them second."""

from __future__ import annotations

FORMATS = (("NCL", "NLC"), ("NCHW", "NHWC"), ("NCDHW", "NDHWC"))  # by rank - 1


def data_format_or_default(data_format: str | None, rank: int) -> str:
    """`data_format`, or Paddle's own for None; ValueError if it is neither of the two."""
    first, last = FORMATS[rank - 1]
    if data_format is None:
        return first
    if data_format not in (first, last):
        raise ValueError(f"data_format: expected {first!r} or {last!r}, received {data_format!r}")
    return data_format


def is_channels_last(data_format: str | None, rank: int) -> bool:
    """Whether channels come last; ValueError as above."""
    return data_format_or_default(data_format, rank) == FORMATS[rank - 1][1]
