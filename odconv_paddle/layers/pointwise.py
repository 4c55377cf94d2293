"""The layers of attentions: 1x1 convolutions that are none of the framework's."""

from __future__ import annotations

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer

from odconv_paddle.layers.init import kaiming_normal
from odconv_spec import ConvSpec
from odconv_spec.geometry import one_of
from odconv_spec.kernel_bank import HEAD_INITS

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Pointwise(nn.Layer):
    """A 1x1 convolution: (batch, in, *map) to (batch, out, *map).

    It stores what `paddle.nn.Conv2D` stores and is none, nor a `paddle.nn.Linear`: code that goes
    over a network's convolutions to start, adapt, prune or quantise them shall not take an
    attention for one. Its start is what dynamic convolutions train from.

    Args:
        spec: a convolution of one tap, whose `rank` is the number of axes of the map.
        head_init: "published" starts at Kaiming normal over the fan-out, "zero" at zero.

    Raises:
        ValueError: `head_init` is unknown.

    Example:
        >>> spec = ConvSpec(in_channels=16, out_channels=4, kernel_size=1, bias=True)
        >>> tuple(Pointwise(spec)(paddle.rand([2, 16, 1, 1])).shape)
        (2, 4, 1, 1)
    """

    bias: paddle.Tensor | None

    def __init__(self, spec: ConvSpec, head_init: str = "published") -> None:
        # Paddle names parameters by their layer's class, and optimisers their states by those
        # names: under the name of a convolution, states that were saved before there was this class
        # still fit, and the convolutions of the network are counted as they were.
        super().__init__(f"conv{spec.rank}d")
        self.spec = spec
        self.head_init = one_of("head_init", head_init, HEAD_INITS)
        self._rank = spec.rank  # plain, because to_static cannot read a dataclass
        start, bias_start = self._starts()
        # Attributes, which a global initializer leaves alone.
        self.weight = self.create_parameter(
            list(spec.kernel_shape),  # (out, in, *ones)
            attr=ParamAttr(initializer=start),
        )
        bias = ParamAttr(initializer=bias_start) if spec.bias else False
        self.bias = self.create_parameter([spec.out_channels], attr=bias, is_bias=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _CONVS[self._rank - 1](x, self.weight, self.bias)

    def _starts(self) -> tuple[Initializer, Initializer]:
        """Of the weight and of the bias."""
        published = self.head_init == "published"
        return kaiming_normal(self.spec) if published else Constant(0.0), Constant(0.0)

    def extra_repr(self) -> str:
        spec = self.spec
        text = f"{spec.in_channels}, {spec.out_channels}, rank={spec.rank}"
        return f"{text}, bias={spec.bias}, head_init={self.head_init!r}"
