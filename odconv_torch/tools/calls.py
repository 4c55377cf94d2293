"""Watches what enters and leaves some layers of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from odconv_spec.geometry import per_axis


class Call(NamedTuple):
    """One call of a layer: the shape of its input, and what it gave."""

    layer: nn.Module
    shape: tuple[int, ...]
    output: Any


@contextmanager
def watched(layers: Iterable[nn.Module], note: Callable[[Call], object]) -> Iterator[None]:
    """Notes each call of the layers in the `with` block, in their order."""

    def see(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        note(Call(layer, tuple(inputs[0].shape), output))

    handles = [layer.register_forward_hook(see) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def map_sizes(
    model: nn.Module, convs: Iterable[nn.Module], first: _ConvNd, size: int | Sequence[int]
) -> dict[nn.Module, tuple[tuple[int, ...], ...]]:
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
    axes = per_axis("image_size", size, len(first.kernel_size), 1)
    image = first.weight.new_zeros(1, first.in_channels, *axes)  # (batch, channels, *map)
    calls: list[Call] = []
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with watched(convs, calls.append), torch.no_grad():
            model(image)
    finally:
        for module, training in modes:
            module.training = training
    sizes: dict[nn.Module, tuple[tuple[int, ...], ...]] = {}
    for conv, shape, _ in calls:
        sizes[conv] = (*sizes.get(conv, ()), shape[2:])
    return sizes
