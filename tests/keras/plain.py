"""The published equations for one sample after the other, in NumPy and without any cleverness."""

from __future__ import annotations

import numpy as np
from helpers import numpy

from odconv_spec import CondConvSpec, DyConvSpec, ODConvSpec


def dynamic_conv(layer, x, temperature=1.0, routing=None):
    """Output of a built layer for x, (batch, *map, in), in inference."""
    samples = []
    for index, sample in enumerate(x):
        weights = None if routing is None else routing[index]
        samples.append(EQUATIONS[type(layer.spec)](layer, sample, temperature, weights))
    return np.stack(samples)


def od_conv(layer, x, temperature, _):
    spec, total = layer.spec, 0
    attention = None if layer.attention is None else od_attention(layer.attention, x, temperature)
    for k in range(spec.kernel_num):
        kernel = numpy(layer.kernel)[k]
        if attention is None:
            total = total + convolve(spec, x, kernel)
            continue
        channel, filters, spatial, shares = attention
        own = k if len(channel) > 1 else 0
        taps = spatial[own].reshape(*spec.kernel, 1, 1)
        total = total + shares[k] * filters[own] * convolve(spec, x * channel[own], taps * kernel)
    return total if layer.bias is None else total + numpy(layer.bias)


def od_attention(attention, x, temperature):
    """Channel, filter and spatial attention, a row for each set, and the shares of the kernels."""
    spec = attention.spec
    hidden = linear(attention.fc, mean(x))
    if spec.norm == "batch":
        bn = attention.bn
        hidden = (hidden - numpy(bn.moving_mean)) / np.sqrt(numpy(bn.moving_variance) + 1e-5)
        hidden = hidden * numpy(bn.gamma) + numpy(bn.beta)
    if spec.norm == "layer":
        ln = attention.ln
        hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5)
        hidden = hidden * numpy(ln.gamma) + numpy(ln.beta)
    hidden = np.maximum(hidden, 0)

    def logits(name, width):
        head = getattr(attention, f"{name}_fc")
        return None if head is None else linear(head, hidden).reshape(-1, width) / temperature

    taps = int(np.prod(spec.kernel))
    found = []
    for name, width in (("channel", spec.in_channels), ("filter", spec.out_channels)):
        values = logits(name, width)
        found.append(np.ones((spec.copies, width)) if values is None else sigmoid(values))
    activation = softmax if spec.spatial_activation == "softmax" else sigmoid
    values = logits("spatial", taps)
    found.append(np.ones((spec.copies, taps)) if values is None else activation(values))
    values = logits("kernel", spec.kernel_num)
    return (*found, np.ones(1) if values is None else softmax(values)[0])


def dy_conv(layer, x, temperature, _):
    hidden = np.maximum(linear(layer.attention.fc1, mean(x)), 0)
    return mixture(layer, x, softmax(linear(layer.attention.fc2, hidden) / temperature))


def cond_conv(layer, x, _, routing):
    if routing is None:
        routing = sigmoid(linear(layer.routing, mean(x)))
    return mixture(layer, x, routing)


EQUATIONS = {ODConvSpec: od_conv, DyConvSpec: dy_conv, CondConvSpec: cond_conv}


def mixture(layer, x, weights):
    kernel = sum(
        weight * kernel for weight, kernel in zip(weights, numpy(layer.kernel), strict=True)
    )
    y = convolve(layer.spec, x, kernel)
    if layer.bias is None:
        return y
    bias = numpy(layer.bias)
    return y + (weights @ bias if bias.ndim == 2 else bias)


def convolve(spec, x, kernel):
    """x (*map, in) with a kernel (*kernel, in // groups, out)."""
    x = np.pad(x, (*spec.pads, (0, 0)))
    sizes = [
        (size - dilation * (taps - 1) - 1) // stride + 1
        for size, taps, stride, dilation in zip(
            x.shape, spec.kernel, spec.strides, spec.dilations, strict=False
        )
    ]
    y = np.zeros((*sizes, spec.out_channels))
    inputs, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    for position in np.ndindex(*sizes):
        for tap in np.ndindex(*spec.kernel):
            pixel = x[tuple(np.multiply(position, spec.strides) + np.multiply(tap, spec.dilations))]
            for group in range(spec.groups):
                out = slice(group * outputs, (group + 1) * outputs)
                y[position][out] += pixel[group * inputs :][:inputs] @ kernel[tap][:, out]
    return y


def linear(layer, x):
    kernel = numpy(layer.kernel)
    y = x @ kernel.reshape(kernel.shape[-2:])
    return y if layer.bias is None else y + numpy(layer.bias)


def mean(x):
    return x.mean(tuple(range(x.ndim - 1)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)
