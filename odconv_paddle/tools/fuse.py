"""Folds a batch norm into the dynamic convolution before it."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn.layer.norm import _BatchNormBase

from odconv_paddle.layers import DynamicConv


def fuse(conv: DynamicConv, norm: nn.Layer) -> nn.Layer:
    """A new layer that computes norm(conv(x)) as in inference.

    The scale of the running statistics goes into the kernels and the shift into the bias, which
    ODConv adds after its filter attention and DyConv mixes by weights that add up to one.

    Args:
        conv: a dynamic convolution; it is left as it is.
        norm: a batch norm of its output that uses running statistics.

    Returns:
        A layer of the same class and mode, with a bias; of a WEConv, which depends on no sample,
        the static convolution.

    Raises:
        ValueError: another kind of layer, other channels, no running statistics, or a CondConv
            with mixed biases: its routing weights do not add up to one, so that a shift that is
            mixed would no longer be the same for all samples.

    Example:
        >>> conv, norm = ODConv2D(3, 8, 3), nn.BatchNorm2D(8)
        >>> _ = conv.eval(), norm.eval()
        >>> x = paddle.rand([2, 3, 16, 16])
        >>> bool(paddle.allclose(fuse(conv, norm)(x), norm(conv(x)), atol=1e-6))
        True
    """
    if not isinstance(conv, DynamicConv):
        raise ValueError(
            f"conv: expected a dynamic convolution such as ODConv2D, received {type(conv).__name__}"
        )
    scale, shift = _scale_and_shift(norm, conv._data_format)
    with paddle.no_grad():
        return conv.folded(scale, shift)


@paddle.no_grad()
def _scale_and_shift(norm: nn.Layer, data_format: str) -> tuple[paddle.Tensor, paddle.Tensor]:
    """norm(y) = y * scale + shift in inference, both (channels,)."""
    if not isinstance(norm, _BatchNormBase):
        raise ValueError(
            "norm: expected a BatchNorm1D, BatchNorm2D or BatchNorm3D of paddle.nn, received "
            f"{type(norm).__name__}"
        )
    if norm._use_global_stats is False:
        raise ValueError(
            "norm: expected one that uses running statistics, received a batch norm with "
            "use_global_stats=False, which normalises by each batch also in inference"
        )
    if norm._data_format.startswith("NC") != data_format.startswith("NC"):
        raise ValueError(
            f"norm: expected channels where data_format={data_format!r} of the convolution has "
            f"them, received data_format={norm._data_format!r}"
        )
    scale = paddle.rsqrt(norm._variance + norm._epsilon)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm._mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias
