"""Watches what enters and leaves some layers of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import paddle
from paddle import nn
from paddle.nn.layer.conv import _ConvNd

from odconv_spec.geometry import per_axis


class Call(NamedTuple):
    """One call of a layer: the shape of its input, and what it gave."""

    layer: nn.Layer
    shape: tuple[int, ...]
    output: Any


@contextmanager
def watched(layers: Iterable[nn.Layer], note: Callable[[Call], object]) -> Iterator[None]:
    """Notes each call of the layers in the `with` block, in their order."""

    def see(layer: nn.Layer, inputs: tuple[Any, ...], output: Any) -> None:
        note(Call(layer, tuple(inputs[0].shape), output))

    # Paddle declares one input, and gives a hook the tuple of all.
    handles = [layer.register_forward_post_hook(see) for layer in layers]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def map_sizes(
    model: nn.Layer, convs: Iterable[nn.Layer], first: _ConvNd, size: int | Sequence[int]
) -> dict[nn.Layer, tuple[tuple[int, ...], ...]]:
    """The sizes of the maps that enter convolutions, from one image of zeros in inference.

    Args:
        model: the network, which is as it was afterwards.
        convs: some of its convolutions.
        first: its first convolution, which takes the image.
        size: of the image, one number for each axis or one for all.

    Returns:
        For each convolution its input's (height, width), as often as it is called.

    Raises:
        ValueError: `size` is not positive, or has other axes.
    """
    axes = per_axis("image_size", size, len(first._kernel_size), 1)
    channels = (first._in_channels,)
    shape = (*channels, *axes) if _channels_first(first) else (*axes, *channels)
    image = paddle.zeros([1, *shape], first.weight.dtype)
    calls: list[Call] = []
    modes = [(layer, layer.training) for layer in model.sublayers(include_self=True)]
    model.eval()
    try:
        with watched(convs, calls.append), paddle.no_grad():
            model(image)
    finally:
        for layer, training in modes:
            layer.training = training
    sizes: dict[nn.Layer, tuple[tuple[int, ...], ...]] = {}
    for conv, shape, _ in calls:
        found = shape[2:] if _channels_first(conv) else shape[1:-1]
        sizes[conv] = (*sizes.get(conv, ()), found)
    return sizes


def _channels_first(conv: Any) -> bool:
    return str(conv._data_format).startswith("NC")
