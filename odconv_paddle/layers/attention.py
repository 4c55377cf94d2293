"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import paddle
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle.layers.build_static import build_norm
from odconv_paddle.layers.differentiable import flattened, softmax
from odconv_paddle.layers.pointwise import Pointwise
from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.temperature import Tempered
from odconv_spec import ODConvSpec

HEADS = ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc")


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one.

    Where kernels do not share them, channel, filter and spatial attention have the axis
    `kernel_num` after the batch.

    Example:
        >>> attentions = Attentions(None, None, None, kernel=paddle.full([2, 4], 0.25))
        >>> attentions.channel is None
        True
    """

    channel: paddle.Tensor | None  # (batch, in, *ones)
    filter: paddle.Tensor | None  # (batch, out, *ones)
    spatial: paddle.Tensor | None  # (batch, 1, 1, *kernel)
    kernel: paddle.Tensor | None  # (batch, kernel_num)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ODAttention(Tempered):
    """Global mean, 1x1 convolution, norm, ReLU, then one 1x1 convolution for each attention.

    Channel and filter attention pass a sigmoid, the spatial attention a sigmoid or a softmax over
    the taps, the kernel attention a softmax; the temperature divides the logits of all four, as in
    the published code.

    Takes maps (batch, in, *map) and returns `Attentions`.

    Args:
        spec: of the convolution that the attentions are for.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> attentions = ODAttention(spec)(paddle.rand([2, 16, 8, 9]))
        >>> tuple(attentions.filter.shape), tuple(attentions.kernel.shape)
        ((2, 32, 1, 1), (2, 4))
    """

    channel_fc: nn.Layer | None
    filter_fc: nn.Layer | None
    spatial_fc: nn.Layer | None
    kernel_fc: nn.Layer | None

    def __init__(self, spec: ODConvSpec) -> None:
        super().__init__()
        # Plain values, because to_static cannot read a dataclass's properties.
        self._kernel = spec.kernel
        self._sets = () if spec.attention_sharing else (spec.kernel_num,)
        self._compete = spec.spatial_activation == "softmax"
        self.fc = Pointwise(spec.trunk())
        named = spec.trunk_norm()
        self._norm = named[0] if named else None
        if named:
            self.add_sublayer(named[0], build_norm(named[1], spec.rank))
        widths = spec.heads()
        for name in HEADS:
            head = Pointwise(spec.head(name), spec.head_init) if name in widths else None
            setattr(self, name, head)

    def forward(self, x: paddle.Tensor) -> Attentions:
        pooled = global_mean(x)  # (batch, in, *ones)
        hidden = self.fc(pooled)  # (batch, hidden, *ones)
        if self._norm is not None:
            hidden = getattr(self, self._norm)(hidden)
        hidden = F.relu(hidden)
        return Attentions(
            self._channels(self.channel_fc, hidden),
            self._channels(self.filter_fc, hidden),
            self._taps(hidden),
            self._kernels(hidden),
        )

    def _channels(self, head: nn.Layer | None, hidden: paddle.Tensor) -> paddle.Tensor | None:
        if head is None:
            return None
        attention = F.sigmoid(self._tempered(head(hidden)))  # (batch, sets * width, *ones)
        width = attention.shape[1] // prod(self._sets)
        return attention.reshape([-1, *self._sets, width, *attention.shape[2:]])

    def _taps(self, hidden: paddle.Tensor) -> paddle.Tensor | None:
        if self.spatial_fc is None:
            return None
        logits = self._tempered(self.spatial_fc(hidden))  # (batch, sets * taps, *ones)
        logits = logits.reshape([-1, prod(self._sets), prod(self._kernel)])
        attention = softmax(logits, axis=2) if self._compete else F.sigmoid(logits)
        return attention.reshape([-1, *self._sets, 1, 1, *self._kernel])

    def _kernels(self, hidden: paddle.Tensor) -> paddle.Tensor | None:
        if self.kernel_fc is None:
            return None
        return softmax(self._tempered(flattened(self.kernel_fc(hidden), 1)), axis=1)
