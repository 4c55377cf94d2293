"""Folds a batch norm into the dynamic convolution before it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers import DynamicConv
from odconv_keras.layers.precision import at_least_single


def fuse(conv: DynamicConv, norm: keras.layers.BatchNormalization) -> keras.layers.Layer:
    """A new layer that computes norm(conv(x)) as in inference.

    The scale of the running statistics goes into the kernels and the shift into the bias, which
    ODConv adds after its filter attention and DyConv mixes by weights that add up to one.

    Args:
        conv: a built dynamic convolution; it is left as it is.
        norm: a built batch norm of its output, of Keras or of this package.

    Returns:
        A built layer of the same class and name, with a bias; of a WEConv, which depends on no
        sample, the static convolution.

    Raises:
        ValueError: another kind of layer, other channels, an activation in between, or a CondConv
            with mixed biases: its routing weights do not add up to one, so that a shift that is
            mixed would no longer be the same for all samples.

    Example:
        >>> x = keras.random.normal((2, 16, 16, 3))
        >>> conv, norm = ODConv2D(8, 3), keras.layers.BatchNormalization()
        >>> y = norm(conv(x))
        >>> float(keras.ops.max(keras.ops.abs(fuse(conv, norm)(x) - y))) < 1e-5
        True
    """
    _check(conv, norm)
    scale, shift = _scale_and_shift(norm)
    return conv.folded(scale, shift)


def _scale_and_shift(norm: Any) -> tuple[Any, Any]:
    """norm(y) = y * scale + shift in inference, both (channels,)."""
    center, variance = (
        at_least_single(ops.convert_to_tensor(v)) for v in (norm.moving_mean, norm.moving_variance)
    )
    scale = ops.rsqrt(variance + norm.epsilon)
    scale = scale if norm.gamma is None else scale * ops.cast(norm.gamma, scale.dtype)
    shift = -center * scale
    return scale, shift if norm.beta is None else shift + ops.cast(norm.beta, scale.dtype)


def _check(conv: Any, norm: Any) -> None:
    if not isinstance(conv, DynamicConv):
        raise ValueError(
            f"conv: expected a dynamic convolution such as ODConv2D, received {type(conv).__name__}"
        )
    if not isinstance(norm, keras.layers.BatchNormalization):
        raise ValueError(
            f"norm: expected a keras.layers.BatchNormalization, received {type(norm).__name__}"
        )
    for layer in (conv, norm):
        if not layer.built:
            raise ValueError(f"expected built layers, received {layer.name!r}, which is not")
    if conv.activation is not keras.activations.linear:
        raise ValueError(
            f"conv: expected no activation before the norm, received {conv.activation.__name__!r}"
        )
    axis = -1 if conv.data_format == "channels_last" else 1
    if (norm.axis - axis) % (conv.rank + 2):
        raise ValueError(
            f"norm: expected axis {axis} as the convolution has {conv.data_format}, received "
            f"{norm.axis}"
        )
