"""The spectrum of a kernel, its groups of frequencies, and the kernels that samples make of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer

from odconv_paddle.layers.differentiable import is_recorded
from odconv_spec import FDConvSpec
from odconv_spec.frequencies import FrequencyOrderSpec, frequency_order


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class FrequencyOrder(nn.Layer):
    """Which frequencies each group has: `indices`, (param_ratio, 2, kernel_num, frequencies).

    A model that was trained with another order, as that of the published code may be, keeps it.

    Args:
        spec: of the order.

    Example:
        >>> FrequencyOrder(FrequencyOrderSpec(plane=(2, 2), kernel_num=2)).groups().tolist()
        [[0, 1, 1, 0]]
    """

    indices: paddle.Tensor

    def __init__(self, spec: FrequencyOrderSpec) -> None:
        super().__init__()
        self.spec = spec
        # Plain, because to_static cannot read a dataclass.
        self._shape, self._spectrum, self._plane = spec.shape, spec.spectrum, spec.plane
        self.register_buffer("indices", paddle.to_tensor(frequency_order(np, spec)))

    def groups(self) -> paddle.Tensor:
        """The group of every coefficient of each spectrum, (param_ratio, rows * columns)."""
        ratio, _, count, size = self._shape
        places = (self.indices[:, 0] * self._spectrum[1] + self.indices[:, 1]).reshape([ratio, -1])
        numbers = paddle.arange(count, dtype="int64").unsqueeze(1).expand([count, size])
        empty = paddle.zeros([count * size], dtype="int64")
        rows = [paddle.scatter(empty, places[i], numbers.reshape([-1])) for i in range(ratio)]
        return paddle.stack(rows)

    def forward(self, spectra: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
        """The plane of each sample, (batch, *plane), of the sum of its weighted spectra.

        `spectra` is (param_ratio, rows, columns, 2), `weights` of their groups (batch, param_ratio
        * kernel_num).
        """
        ratio, _, count, size = self._shape
        groups = self.groups()
        total = paddle.zeros([], dtype=weights.dtype)
        for number in range(ratio):
            own = weights[:, number * count : (number + 1) * count]
            each = paddle.gather(own, groups[number], axis=1).unsqueeze(2)
            total = total + each * spectra[number].reshape([1, count * size, 2])
        return plane_of(total.reshape([-1, *self._spectrum, 2]), self._plane)

    def _apply(self, *args: Any, **options: Any) -> None:
        """What `to` does, which would make floating-point numbers of the indices."""
        super()._apply(*args, **options)
        self.indices = self.indices.astype("int64")


def plane_of(spectrum: paddle.Tensor, size: Sequence[int]) -> paddle.Tensor:
    """(batch, rows, columns, 2) to (batch, *size)."""
    return _Plane.apply(spectrum, size) if is_recorded(spectrum) else _plane(spectrum, size)


def _plane(spectrum: paddle.Tensor, size: Sequence[int]) -> paddle.Tensor:
    plane: paddle.Tensor = paddle.fft.irfft2(paddle.as_complex(spectrum), s=list(size))
    return plane


class _Plane(PyLayer):
    """`irfft2`, which Paddle differentiates only once."""

    @staticmethod
    def forward(ctx: Any, spectrum: paddle.Tensor, size: Sequence[int]) -> paddle.Tensor:
        ctx.size = size
        return _plane(spectrum, size)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return _Spectrum.apply(gradient) * _shares(ctx.size, gradient.dtype) / prod(ctx.size)


class _Spectrum(PyLayer):
    """`rfft2`, (batch, *size) to (batch, rows, columns, 2)."""

    @staticmethod
    def forward(ctx: Any, plane: paddle.Tensor) -> paddle.Tensor:
        ctx.size = plane.shape[1:]
        return paddle.as_real(paddle.fft.rfft2(plane))

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        halves = gradient / _shares(ctx.size, gradient.dtype)
        return _Plane.apply(halves, ctx.size) * prod(ctx.size)


def _shares(size: Sequence[int], dtype: Any) -> paddle.Tensor:
    """How many columns of the whole spectrum each of its stored ones stands for, (columns, 1)."""
    twice = paddle.full([size[1] // 2 - 1], 2.0, dtype)
    one = paddle.ones([1], dtype)
    return paddle.concat([one, twice, one]).unsqueeze(1)


def spectrum_of(kernel: paddle.Tensor, spec: FDConvSpec) -> paddle.Tensor:
    """What a layer that starts as a convolution with `kernel` stores.

    Args:
        kernel: (out, in, *kernel).
        spec: of the layer.

    Returns:
        (rows, columns, 2)
    """
    plane = kernel.transpose([0, 2, 1, 3]).reshape(list(spec.order().plane))
    return paddle.as_real(paddle.fft.rfft2(plane)) / spec.stored_gain
