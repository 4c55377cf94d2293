"""The attention of DyConv: which share each kernel has in a sample's convolution."""

from __future__ import annotations

import paddle
from paddle.nn import functional as F

from odconv_paddle.layers.differentiable import flattened, softmax
from odconv_paddle.layers.pointwise import Pointwise
from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.temperature import Tempered
from odconv_spec import DyConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class DyAttention(Tempered):
    """Global mean, two 1x1 convolutions with a ReLU between, softmax of logits / temperature.

    Takes maps (batch, in, *map) and returns (batch, kernel_num), the weights of the kernels.

    Args:
        spec: of the convolution whose kernels are weighed.

    Example:
        >>> spec = DyConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> DyAttention(spec)(paddle.rand([1, 16, 8, 9])).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, spec: DyConvSpec) -> None:
        super().__init__()
        self.fc1 = Pointwise(spec.fc1())
        self.fc2 = Pointwise(spec.fc2(), spec.head_init)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        pooled = global_mean(x)  # (batch, in, *ones)
        hidden = F.relu(self.fc1(pooled))  # (batch, hidden, *ones)
        logits = self._tempered(flattened(self.fc2(hidden), 1))  # (batch, kernel_num)
        return softmax(logits, axis=1)
