"""The norms: over the batch with torch's running variance, and over the channels of each sample.

The batch norms differ from Paddle's in two ways, so that a network trains as it does in the other
frameworks:

* The running variance follows the unbiased estimate; Paddle stores the biased one
  (https://github.com/PaddlePaddle/Paddle/pull/68159). ODConv's attention has as many values per
  channel as the batch has samples, so for a batch of two this is a factor of two.
* A batch with a single value per channel, in the attention a batch of one sample, is normalised
  with the running statistics and leaves them alone. Paddle would return it as it is.

In all else they are Paddle's layers, down to the state dict.
"""

from __future__ import annotations

from math import prod

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.layer.norm import _BatchNormBase

from odconv_paddle.layers.differentiable import is_recorded


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _TorchStatistics(_BatchNormBase):
    def forward(self, input: paddle.Tensor) -> paddle.Tensor:
        self._check_data_format(self._data_format)  # type: ignore[arg-type]  # mistyped in Paddle
        self._check_input_dim(input)
        # The kernel rounds epsilon to float32: an error of 1e-8 where a variance is small.
        has_kernel = input.dtype != paddle.float64
        maps = _has_positions(input, self._channel_axis(input))
        if not self.training or self._use_global_stats:
            if has_kernel and (maps or not is_recorded(input)):
                return self._infer(input)
            return self._normalise_by_running(input)
        return self._normalise_maps(input) if has_kernel and maps else self._normalise_pooled(input)

    def _infer(self, x: paddle.Tensor) -> paddle.Tensor:
        """What the layer of Paddle does, which in training warns that it tracks: it does not."""
        return F.batch_norm(
            x,
            self._mean,
            self._variance,
            self.weight,
            self.bias,
            training=False,
            momentum=self._momentum,
            epsilon=self._epsilon,
            data_format=self._data_format,
            use_global_stats=self._use_global_stats,
        )

    def _normalise_by_running(self, x: paddle.Tensor) -> paddle.Tensor:
        """The formula written out, because Paddle's kernel has no second derivative here.

        Maps stay with it: they would take longer, and need none in an attention.
        """
        shape = [-1 if axis == self._channel_axis(x) else 1 for axis in range(x.ndim)]
        centred = x.astype(self._mean.dtype) - self._mean.reshape(shape)
        return self._scaled(centred, self._variance, shape).astype(x.dtype)

    def _normalise_maps(self, x: paddle.Tensor) -> paddle.Tensor:
        """The framework's kernel, for maps of certainly more than one position."""
        # With momentum 0 it replaces the statistics that it is given, here copies, by the batch's.
        mean, variance = self._mean.clone(), self._variance.clone()
        y = F.batch_norm(
            x,
            mean,
            variance,
            self.weight,
            self.bias,
            training=True,
            momentum=0.0,
            epsilon=self._epsilon,
            data_format=self._data_format,
        )
        self._track(x, mean, variance)
        return y

    def _normalise_pooled(self, x: paddle.Tensor) -> paddle.Tensor:
        """The formula written out, for a position per sample or a size that is not yet known.

        On so few values it costs the same as the kernel.
        """
        dtype, x = x.dtype, x.astype(self._mean.dtype)
        channel = self._channel_axis(x)
        axes = [axis for axis in range(x.ndim) if axis != channel]
        shape = [-1 if axis == channel else 1 for axis in range(x.ndim)]
        one_value = self._count(x) == 1
        mean = paddle.where(one_value, self._mean, x.mean(axes))
        centred = x - mean.reshape(shape)
        variance = paddle.where(one_value, self._variance, (centred * centred).mean(axes))
        self._track(x, mean, variance)
        return self._scaled(centred, variance, shape).astype(dtype)

    def _scaled(
        self, centred: paddle.Tensor, variance: paddle.Tensor, shape: list[int]
    ) -> paddle.Tensor:
        # A static graph rounds a plain number to float32.
        epsilon = paddle.full([], self._epsilon, centred.dtype)
        y = centred * paddle.rsqrt(variance + epsilon).reshape(shape)
        y = y if self.weight is None else y * self.weight.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)

    @paddle.no_grad()
    def _track(self, x: paddle.Tensor, mean: paddle.Tensor, variance: paddle.Tensor) -> None:
        count = self._count(x).astype(variance.dtype)
        unbiased = variance * (count / paddle.clip(count - 1, min=1))
        # `lerp`, because a static graph rounds a plain factor to float32.
        new = 1 - self._momentum
        paddle.assign(paddle.lerp(self._mean, mean, new), self._mean)
        paddle.assign(paddle.lerp(self._variance, unbiased, new), self._variance)

    def _count(self, x: paddle.Tensor) -> paddle.Tensor:
        """Number of values per channel."""
        return paddle.numel(x) // self._num_features

    def _channel_axis(self, x: paddle.Tensor) -> int:
        return 1 if self._data_format.startswith("NC") else x.ndim - 1


def _has_positions(x: paddle.Tensor, channel: int) -> bool:
    """Whether the map of each sample certainly has more than one position."""
    sizes = [size for axis, size in enumerate(x.shape) if axis not in (0, channel)]
    return prod(size for size in sizes if isinstance(size, int) and size > 0) > 1


class BatchNorm1D(_TorchStatistics, nn.BatchNorm1D):
    """`paddle.nn.BatchNorm1D` with torch's running variance, for any number of values.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> tuple(BatchNorm1D(6)(paddle.rand([2, 6, 9])).shape)
        (2, 6, 9)
    """


class BatchNorm2D(_TorchStatistics, nn.BatchNorm2D):
    """`paddle.nn.BatchNorm2D` with torch's running variance, for any number of values.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> tuple(BatchNorm2D(6)(paddle.rand([2, 6, 8, 9])).shape)
        (2, 6, 8, 9)
    """


class BatchNorm3D(_TorchStatistics, nn.BatchNorm3D):
    """`paddle.nn.BatchNorm3D` with torch's running variance, for any number of values.

    Takes the arguments of that layer, and maps of the same shape: (batch, channels, *map).

    Example:
        >>> tuple(BatchNorm3D(6)(paddle.rand([2, 6, 7, 8, 9])).shape)
        (2, 6, 7, 8, 9)
    """


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ChannelNorm(nn.LayerNorm):
    """`paddle.nn.LayerNorm` over the channels of each sample of (batch, channels, *ones)."""

    weight: paddle.Tensor
    bias: paddle.Tensor

    def forward(self, input: paddle.Tensor) -> paddle.Tensor:
        # Written out, because Paddle's kernel rounds epsilon to float32; see `_TorchStatistics`.
        x = input.astype(self.weight.dtype)
        centred = x - x.mean(1, keepdim=True)
        variance = (centred * centred).mean(1, keepdim=True)
        epsilon = paddle.full([], self._epsilon, x.dtype)
        shape = [-1, *[1] * (x.ndim - 2)]
        y = centred * paddle.rsqrt(variance + epsilon) * self.weight.reshape(shape)
        return (y + self.bias.reshape(shape)).astype(input.dtype)


def keep_statistics(layer: nn.Layer) -> list[_BatchNormBase]:
    """Makes every batch norm in `layer` use its running statistics, and leave them, while training.

    Not by `eval()`: `train()` of a layer sets the mode of all layers inside, and asks none of them.

    Returns:
        The batch norms that did not so before.
    """
    layers = layer.sublayers(include_self=True)
    norms = [n for n in layers if isinstance(n, _BatchNormBase) and not n._use_global_stats]
    for norm in norms:
        norm._use_global_stats = True
    return norms


BATCH_NORMS = (BatchNorm1D, BatchNorm2D, BatchNorm3D)  # by rank - 1
