"""Watches what enters and leaves some layers of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import keras
from keras.layers import Layer

from odconv_spec.geometry import per_axis


class Call(NamedTuple):
    """One call of a layer: the shape of its input, and what it gave."""

    layer: Layer
    shape: tuple[int, ...]
    output: Any


@contextmanager
def watched(layers: Iterable[Layer], note: Callable[[Call], object]) -> Iterator[None]:
    """Notes each call of the layers in the `with` block, in their order.

    Keras has no hooks: each layer gets a `call` of its own for that long, which Keras prefers to
    that of its class. The model is to be called as it is: `predict` would compile it.
    """
    changed = list(layers)
    for layer in changed:
        layer.call = partial(_noted, layer, layer.call, note)
    try:
        yield
    finally:
        for layer in changed:
            del layer.call


def _noted(
    layer: Layer,
    call: Callable[..., Any],
    note: Callable[[Call], object],
    inputs: Any,
    *args: Any,
    **more: Any,
) -> Any:
    output = call(inputs, *args, **more)
    note(Call(layer, tuple(inputs.shape), output))
    return output


def map_sizes(
    model: Any, convs: Sequence[Any], first: Any, size: int | Sequence[int]
) -> dict[int, tuple[tuple[int, ...], ...]]:
    """The sizes of the maps that enter convolutions, from one image of zeros in inference.

    Args:
        model: the built model, which is as it was afterwards.
        convs: some of its convolutions.
        first: its first convolution, which takes the image.
        size: of the image, one number for each axis or one for all.

    Returns:
        By `id` of a convolution its input's (height, width), as often as it is called.

    Raises:
        ValueError: `size` is not positive, or has other axes.
    """
    axes = per_axis("image_size", size, first.rank, 1)
    channels = tuple(first.input_spec.axes.values())  # of a built convolution
    shape = (1, *axes, *channels) if _last(first) else (1, *channels, *axes)
    calls: list[Call] = []
    with watched(convs, calls.append):
        model(keras.ops.zeros(shape))
    sizes: dict[int, tuple[tuple[int, ...], ...]] = {}
    for conv, shape, _ in calls:
        found = shape[1:-1] if _last(conv) else shape[2:]
        sizes[id(conv)] = (*sizes.get(id(conv), ()), found)
    return sizes


def _last(conv: Any) -> bool:
    return conv.data_format == "channels_last"
