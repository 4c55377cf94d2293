"""Paddle's ways to write the padding of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral


def as_spec_padding(padding: object, rank: int, channels_last: bool) -> object:
    """The padding in the form that `ConvSpec` takes; what it takes already is left as it is.

    Paddle has three forms of its own: "SAME" and "VALID" in any case, one flat list of two numbers
    for each spatial axis, and pairs for all axes, those of batch and channels being zero.

    Raises:
        ValueError: the batch or the channels would be padded.
    """
    if isinstance(padding, str):
        return padding.lower()
    if not isinstance(padding, Sequence):
        return padding
    if len(padding) == 2 * rank and all(isinstance(side, Integral) for side in padding):
        return tuple(zip(padding[::2], padding[1::2], strict=True))
    if len(padding) == rank + 2 and all(isinstance(pair, Sequence) for pair in padding):
        first = 1 if channels_last else 2
        spatial = padding[first : first + rank]
        if any(any(pair) for pair in (*padding[:first], *padding[first + rank :])):
            raise ValueError(
                f"padding: expected zeros for the batch and the channels, received {padding!r}"
            )
        return tuple(map(tuple, spatial))
    return padding
