"""Multiply-adds from specs alone, the way the papers count them.

A multiply-add is counted for each tap of a convolution at each position and for each weight of a
linear layer. What a dynamic convolution does besides is counted as well: the mean over the map, the
layers of its attention, the scaling of its input and output, and for every sample the scaling and
the sum of its kernels. Norms, activations, biases and pooling are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from odconv_spec.backbone import BackboneSpec
from odconv_spec.conv import ConvSpec
from odconv_spec.geometry import per_axis


def multiply_adds(spec: ConvSpec | BackboneSpec, size: int | Sequence[int] = 224) -> int:
    """Multiply-adds of a layer or a backbone for one sample.

    Args:
        spec: of a convolution of any kind, or of a backbone.
        size: of the input's map, one number for each axis or one for all.

    Returns:
        A number of multiply-adds.

    Raises:
        ValueError: the size is not positive, or a kernel does not fit into its map.

    Example:
        >>> multiply_adds(ConvSpec(in_channels=8, out_channels=4, kernel_size=3), (10, 12))
        23040
    """
    if isinstance(spec, ConvSpec):
        return _conv(spec, per_axis("size", size, spec.rank, 1))
    image = per_axis("size", size, 2, 1)
    return sum(
        _conv(layer, found) if isinstance(layer, ConvSpec) else layer.multiply_adds(prod(found))
        for layer, found in spec.maps(image)
    )


def _conv(spec: ConvSpec, size: tuple[int, ...]) -> int:
    positions = prod(spec.output_size(size))
    return positions * prod(spec.kernel_shape) + spec.mixing_multiply_adds(prod(size), positions)
