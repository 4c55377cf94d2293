"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant

from odconv_paddle.layers.build_static import build_norm, build_static_conv
from odconv_paddle.layers.init import kaiming_normal
from odconv_paddle.layers.temperature import Tempered
from odconv_spec import ConvSpec, NormSpec, ODConvSpec


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one."""

    channel: paddle.Tensor | None  # (batch, in, *ones)
    filter: paddle.Tensor | None  # (batch, out, *ones)
    spatial: paddle.Tensor | None  # (batch, 1, 1, *kernel)
    kernel: paddle.Tensor | None  # (batch, kernel_num)


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ODConvAttention(Tempered):
    """Global mean, 1x1 convolution, batch norm, ReLU, then one 1x1 convolution for each attention.

    Channel, filter and spatial attention pass a sigmoid, the kernel attention a softmax; the
    temperature divides the logits of all four, as in the published code.
    """

    channel_fc: nn.Layer | None
    filter_fc: nn.Layer | None
    spatial_fc: nn.Layer | None
    kernel_fc: nn.Layer | None

    def __init__(self, spec: ODConvSpec) -> None:
        super().__init__()
        self.spec = spec
        self._kernel = spec.kernel  # plain, because to_static cannot read a dataclass's property
        self.fc = build_static_conv(spec.trunk())
        self.bn = build_norm(NormSpec(spec.attention_channels), spec.rank)
        for name in ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc"):
            setattr(self, name, self._head(name) if name in spec.heads() else None)

    def forward(self, x: paddle.Tensor) -> Attentions:
        pooled = x.mean(axis=list(range(2, x.ndim)), keepdim=True)  # (batch, in, *ones)
        hidden = F.relu(self.bn(self.fc(pooled)))  # (batch, hidden, *ones)
        channel = self._logits(self.channel_fc, hidden)
        filters = self._logits(self.filter_fc, hidden)
        spatial = self._logits(self.spatial_fc, hidden)
        kernel = self._logits(self.kernel_fc, hidden)
        return Attentions(
            None if channel is None else F.sigmoid(channel),
            None if filters is None else F.sigmoid(filters),
            None if spatial is None else F.sigmoid(spatial).reshape([-1, 1, 1, *self._kernel]),
            None if kernel is None else F.softmax(kernel.flatten(1), axis=1),
        )

    def _head(self, name: str) -> nn.Layer:
        """Zeros, or Kaiming normal where `head_init` says so."""
        spec: ConvSpec = self.spec.head(name)
        published = self.spec.head_init == "published"
        return build_static_conv(spec, kaiming_normal(spec) if published else Constant(0.0))

    def _logits(self, head: nn.Layer | None, hidden: paddle.Tensor) -> paddle.Tensor | None:
        if head is None:
            return None
        logits = head(hidden)
        if logits.dtype in (paddle.float16, paddle.bfloat16):
            logits = logits.astype("float32")
        return logits / self.temperature.astype(logits.dtype)
