"""Frequency dynamic convolution, https://arxiv.org/abs/2503.18783.

For one sample, with the groups g of the frequencies of a kernel's spectrum S:

    W = irfft2(sum over g of  kernel_g * S_g)
    y = (channel * filter * spatial * 2 sigmoid(local) * W)  convolved with  bands(x)

    bands(x) = sum over i of  2 sigmoid(conv_i(x)) * (low_{i-1} - low_i)  +  the last low
    low_0 = x,  low_i = x without the frequencies above the i-th limit
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from odconv_spec import FDConvSpec
from parity_tests.reference.functional import conv, global_mean, relu
from parity_tests.reference.ops import element, pad, sigmoid, windows
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, layer_norm, norm, static_conv
from parity_tests.reference.tape import Array, Value, record

LIMITS = (2, 4, 8)  # of what passes: half of the frequencies along an axis, a quarter, an eighth
MASK = (64, 33)  # the size of the published masks, which are stretched to that of the spectrum


def fd_conv(spec: FDConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the attentions."""
    pooled = global_mean(x)
    found = attentions(spec, pooled, at.under("KSM_Global"))
    found["local_logits"] = local_logits(spec, pooled, at.under("KSM_Local"))
    at.attentions[at.path] = found
    taps = (spec.out_channels, *spec.kernel)
    local = moved(found["local_logits"].reshape(-1, spec.in_channels, *taps), (0, 2, 1, 3, 4))
    kernel = mixed_kernel(spec, found["kernel"], at) * 2.0 * sigmoid(local)
    for name in ("channel", "filter", "spatial"):
        kernel = kernel * found.get(name, 1.0)
    if spec.has_bands:
        x = banded(x, at.under("FBM.freq_weight_conv_list"), spec)
    return add_bias(spec, conv(x, kernel.reshape(-1, *spec.kernel_shape), spec), at)


def attentions(spec: FDConvSpec, pooled: Value, at: Scope) -> dict[str, Value]:
    """Each attention in the shape in which it multiplies a kernel, (batch, out, in, *kernel)."""
    squeezed = norm(static_conv(spec.trunk(), pooled, at.under("fc")), at.under("bn"))
    hidden = at["relu.scale"] * relu(squeezed) ** 2.0 + at["relu.bias"]
    shapes = {
        "channel": (1, spec.in_channels, 1, 1),
        "filter": (spec.out_channels, 1, 1, 1),
        "spatial": (1, 1, *spec.kernel),
        "kernel": (spec.param_ratio, spec.kernel_num),
    }
    found = {}
    for head, layer in spec.heads().items():
        name = head.removesuffix("_fc")
        logits = static_conv(layer, hidden, at.under(head)) / spec.temperature
        found[name] = 2.0 * sigmoid(logits).reshape(-1, *shapes[name])
    found["kernel"] = found["kernel"] / float(spec.param_ratio * spec.kernel_num)
    return found


def local_logits(spec: FDConvSpec, pooled: Value, at: Scope) -> Value:
    """(batch, in, out * taps): what each channel's neighbours say of all kernels' taps for it."""
    centred = layer_norm(pooled, at.under("norm")).reshape(-1, 1, spec.in_channels)
    layer = spec.local()
    columns = windows(pad(centred, layer.pads), layer.kernel, (1,), (1,))
    seen = columns.reshape(-1, layer.kernel[0], spec.in_channels)
    return moved(at["conv.weight"].reshape(layer.out_channels, -1) @ seen, (0, 2, 1))


def mixed_kernel(spec: FDConvSpec, weights: Value, at: Scope) -> Value:
    """(batch, out, in, *kernel), of the weights (batch, param_ratio, kernel_num) of the groups."""
    rows, columns = spec.order().spectrum
    order = at["frequency_order.indices"].data.astype(int)
    total = Value(0.0)
    for number in range(spec.param_ratio):
        group = np.zeros((spec.kernel_num, rows, columns))  # one where a frequency is of the group
        for index, (upper, left) in enumerate(zip(*order[number], strict=True)):
            group[index, upper, left] = 1.0
        each = element(weights, 1, number) @ group.reshape(spec.kernel_num, -1)
        spectrum = element(at["dft_weight"], 0, number) * float(spec.gain)
        total = total + each.reshape(-1, rows, columns, 1) * spectrum
    out, inputs, high, wide = spec.kernel_shape
    plane = inverse(total, spec.order().plane).reshape(-1, out, high, inputs, wide)
    return moved(plane, (0, 1, 3, 2, 4))


def inverse(spectrum: Value, size: tuple[int, int]) -> Value:
    """The plane of `size` whose spectrum has these real and imaginary parts, on the last axis."""
    # Columns that stand for two, but for the first and the last: a spectrum of a plane is half.
    twice = np.full(spectrum.shape[-2], 2.0)
    twice[[0, -1]] = 1.0

    def pullback(gradient: Array) -> Array:
        found = np.fft.rfft2(gradient) * twice / (size[0] * size[1])
        return np.stack([found.real, found.imag], axis=-1)

    data = spectrum.data[..., 0] + 1j * spectrum.data[..., 1]
    return record(np.fft.irfft2(data, size), (spectrum, pullback))


def banded(x: Value, at: Scope, spec: FDConvSpec) -> Value:
    """The map with each of its frequency bands scaled at each position."""
    total, below = Value(0.0), x
    for number, limit in enumerate(LIMITS):
        low = passed(x, mask(x.shape[2:], limit))
        gate = 2.0 * sigmoid(static_conv(spec.band_weight(), x, at.under(str(number))))
        total, below = total + gate * (below - low), low
    return total + below


def passed(x: Value, kept: Array) -> Value:
    """The map without the frequencies where `kept` is 0; its own transpose."""

    def apply(maps: Array) -> Array:
        return np.fft.irfft2(np.fft.rfft2(maps) * kept, maps.shape[2:])

    return record(apply(x.data), (x, apply))


def mask(size: tuple[int, ...], limit: int) -> Array:
    """One for the frequencies of a map that pass: the published mask, stretched to its spectrum."""
    rows = np.abs(np.fft.fftfreq(MASK[0])).astype("f4")
    columns = np.fft.rfftfreq(MASK[0]).astype("f4")
    most = np.float32(0.5 / limit + 1e-8)
    high = (rows < most)[nearest(MASK[0], size[0])]
    wide = (columns < most)[nearest(MASK[1], size[1] // 2 + 1)]
    return np.outer(high, wide).astype(np.float64)


def nearest(source: int, length: int) -> npt.NDArray[np.int64]:
    """What each of `length` elements is in a stretched row of `source`, by PyTorch's float32."""
    scale = np.float32(source) / np.float32(length)
    places = np.floor(np.arange(length, dtype=np.float32) * scale)
    return np.minimum(places, source - 1).astype(np.int64)


def moved(x: Value, axes: tuple[int, ...]) -> Value:
    """The value with its axes in another order."""
    back = tuple(np.argsort(axes))
    return record(x.data.transpose(axes), (x, lambda gradient: gradient.transpose(back)))
