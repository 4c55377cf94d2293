"""The router of CondConv: how much of each kernel a sample's convolution has."""

from __future__ import annotations

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer, XavierUniform

from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import LinearSpec, RoutingSpec
from odconv_spec.geometry import one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Routing(nn.Layer):
    """Routing weights (batch, kernel_num) of maps (batch, in, *map).

    A linear layer on the mean over the map, then a sigmoid. As the layers of attentions it is no
    `paddle.nn.Linear`, see `Pointwise`. Give the weights to several `CondConv` layers with
    router="shared" to let one router steer a block:

        >>> routing = Routing(16, 8)
        >>> conv = CondConv2D(16, 32, 3, padding=1, kernel_num=8, router="shared")
        >>> x = paddle.rand([2, 16, 8, 9])
        >>> tuple(conv(x, routing(x)).shape)
        (2, 32, 8, 9)

    Args:
        in_channels: channels of the map.
        kernel_num: number of kernels of the layers that it steers.
        head_init: "published" starts at Glorot uniform, "zero" at 0.5 for each kernel.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(self, in_channels: int, kernel_num: int, head_init: str = "published") -> None:
        super().__init__()
        self.spec = LinearSpec(
            whole("in_channels", in_channels, 1), whole("kernel_num", kernel_num, 1)
        )
        self.head_init = one_of("head_init", head_init, HEAD_INITS)
        start: Initializer = Constant(0.0) if head_init == "zero" else XavierUniform()
        # Attributes, which a global initializer leaves alone.
        self.weight = self.create_parameter(
            [in_channels, kernel_num],
            attr=ParamAttr(initializer=start),
        )
        zeros = ParamAttr(initializer=Constant(0.0))
        self.bias = self.create_parameter([kernel_num], attr=zeros, is_bias=True)

    @classmethod
    def from_spec(cls, spec: RoutingSpec) -> Routing:
        """The router that `spec` describes, with random weights.

        Returns:
            The router in training mode.
        """
        return cls(spec.in_channels, spec.out_channels, spec.head_init)

    def forward(self, input: paddle.Tensor) -> paddle.Tensor:
        pooled = global_mean(input, keepdim=False)  # (batch, in)
        return F.sigmoid(at_least_float32(F.linear(pooled, self.weight, self.bias)))

    def extra_repr(self) -> str:
        spec = self.spec
        return f"{spec.in_channels}, {spec.out_channels}, head_init={self.head_init!r}"
