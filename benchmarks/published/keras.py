"""The usual formulation in Keras, where nobody published one: a map over the samples.

Kernels are mixed by a matrix product, and each sample is convolved with its own by an ordinary
convolution. One convolution with samples as groups, as the published code has it, is several times
slower on both backends.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from benchmarks.published.options import check, sides
from odconv_keras.layers.dynamic import DynamicConv
from odconv_spec import CondConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec


def publish(model: keras.layers.Layer) -> None:
    """Makes every dynamic convolution in `model`, or `model` itself, map over the samples.

    Raises:
        ValueError: a layer has an option that the published code does not know.
    """
    layers = model._flatten_layers()  # Keras has no public way to the layers inside of layers
    for layer in layers:
        if isinstance(layer, DynamicConv):
            _check(layer)
            ours = type(layer)
            own = {"call": _CALL[type(layer.spec)]}
            layer.__class__ = type(f"Published{ours.__name__}", (ours,), own)


def od_conv(x: Any, kernel: Any, attentions: Any, spec: DynamicConvSpec) -> Any:
    """`kernel` is the bank, (kernel_num, *kernel, in // groups, out)."""
    channel, filters, spatial, mixing = attentions
    if channel is not None:
        x = x * ops.reshape(channel, (-1, 1, 1, spec.in_channels))
    if spatial is None and mixing is None:
        y = _conv(x, kernel[0], spec)
    else:
        kernels = kernel if mixing is None else _mixed(kernel, mixing)
        if spatial is not None:
            kernels = kernels * ops.reshape(spatial, (-1, *spec.kernel, 1, 1))
        y = conv_by_map(x, kernels, spec)
    return y if filters is None else y * ops.reshape(filters, (-1, 1, 1, spec.out_channels))


def mixed_conv(x: Any, kernel: Any, mixing: Any, bias: Any, spec: DynamicConvSpec) -> Any:
    """DyConv and CondConv, with one bias or one of each kernel."""
    y = conv_by_map(x, _mixed(kernel, mixing), spec)
    if bias is None:
        return y
    if len(bias.shape) == 2:
        bias = ops.reshape(ops.matmul(mixing, bias), (-1, 1, 1, spec.out_channels))
    return y + bias


def conv_by_map(x: Any, kernels: Any, spec: DynamicConvSpec) -> Any:
    """Each sample of x, (batch, *map, in), with its own of `kernels`.

    These are (batch, *kernel, in // groups, out).
    """

    def one(sample_and_kernel: Any) -> Any:
        sample, kernel = sample_and_kernel
        return _conv(sample[None], kernel, spec)[0]

    return ops.map(one, (x, kernels))


def _mixed(kernel: Any, mixing: Any) -> Any:
    """(batch, *kernel, in // groups, out)"""
    mixed = ops.matmul(mixing, ops.reshape(kernel, (kernel.shape[0], -1)))
    return ops.reshape(mixed, (-1, *kernel.shape[1:]))


def _conv(x: Any, kernel: Any, spec: DynamicConvSpec) -> Any:
    top, left = sides(spec)
    keeps_size = spec.output_size((64, 64)) == (64, 64)
    if not keeps_size:
        x = ops.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
    options: dict[str, Any] = {
        "strides": spec.strides,
        "padding": "same" if keeps_size else "valid",  # "same" saves a padded copy of the map
        "data_format": "channels_last",
        "dilation_rate": spec.dilations,
    }
    if spec.depthwise:
        return ops.depthwise_conv(x, ops.swapaxes(kernel, -1, -2), **options)  # (*kernel, in, 1)
    return ops.conv(x, kernel, **options)


def _check(layer: DynamicConv) -> None:
    check(layer.spec)
    if layer.data_format != "channels_last" or layer.activation is not keras.activations.linear:
        raise ValueError(
            "published: expected channels last and no activation, received "
            f"{layer.data_format} and {keras.activations.serialize(layer.activation)}"
        )


def _od_call(layer: Any, inputs: Any, training: bool | None = None) -> Any:
    y = od_conv(inputs, layer.kernel, layer.attention(inputs, training=training), layer.spec)
    return y if layer.bias is None else y + layer.bias


def _dy_call(layer: Any, inputs: Any, training: bool | None = None) -> Any:
    return mixed_conv(inputs, layer.kernel, layer.attention(inputs), layer.bias, layer.spec)


def _cond_call(layer: Any, inputs: Any, routing: Any = None, training: bool | None = None) -> Any:
    mixing = routing if layer.routing is None else layer.routing(inputs)
    return mixed_conv(inputs, layer.kernel, mixing, layer.bias, layer.spec)


_CALL = MappingProxyType({ODConvSpec: _od_call, DyConvSpec: _dy_call, CondConvSpec: _cond_call})
