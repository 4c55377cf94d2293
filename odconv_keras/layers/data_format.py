"""Where the channels are. All arithmetic in this package has them last.

TensorFlow has no channels-first convolution on a CPU
(https://github.com/keras-team/keras/issues/20414), so data with channels first are transposed once
on their way in and once on their way out; XLA and TensorFlow's graph optimiser remove pairs of
transpositions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_spec.geometry import one_of


def data_format_or_default(data_format: str | None) -> str:
    """`data_format`, or Keras' setting for None; ValueError if it is neither of the two."""
    if data_format is None:
        return str(keras.config.image_data_format())
    return one_of("data_format", data_format, ("channels_first", "channels_last"))


def to_channels_last(x: Any, data_format: str) -> Any:
    if data_format == "channels_last":
        return x
    rank = len(x.shape) - 2
    return ops.transpose(x, (0, *range(2, rank + 2), 1))


def from_channels_last(x: Any, data_format: str) -> Any:
    if data_format == "channels_last":
        return x
    rank = len(x.shape) - 2
    return ops.transpose(x, (0, rank + 1, *range(1, rank + 1)))


def shape_to_channels_last(shape: Any, data_format: str) -> tuple[int | None, ...]:
    if data_format == "channels_last":
        return tuple(shape)
    return (shape[0], *shape[2:], shape[1])


def shape_from_channels_last(shape: Any, data_format: str) -> tuple[int | None, ...]:
    if data_format == "channels_last":
        return tuple(shape)
    return (shape[0], shape[-1], *shape[1:-1])


def shape_of_any_size(channels: int, rank: int, data_format: str) -> tuple[int | None, ...]:
    """The shape of maps over `rank` axes of which only the channels are known."""
    return shape_from_channels_last((None, *[None] * rank, channels), data_format)


def image_shape(
    given: Sequence[int | None] | None, channels: int, data_format: str
) -> tuple[int | None, ...]:
    """The shape of one image, of any size where none is given; ValueError for other channels."""
    if given is None:
        return shape_of_any_size(channels, 2, data_format)[1:]
    last = data_format == "channels_last"
    if len(given) != 3 or given[-1 if last else 0] != channels:
        expected = f"(height, width, {channels})" if last else f"({channels}, height, width)"
        raise ValueError(
            f"input_shape: expected {expected} beside data_format={data_format!r}, received "
            f"{tuple(given)}"
        )
    return tuple(given)
