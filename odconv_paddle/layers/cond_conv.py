"""CondConv layers for one, two and three spatial axes."""

from __future__ import annotations

import paddle

from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, Padding, Size
from odconv_paddle.layers.functional import mixed_conv
from odconv_paddle.layers.kernel_bank import KernelBank
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.routing import Routing
from odconv_spec import CondConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _CondConv(KernelBank):
    spec_class = CondConvSpec
    spec: CondConvSpec
    routing: Routing | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        padding_mode: str = "zeros",
        weight_attr: Attr = None,
        bias_attr: Attr = None,
        data_format: str | None = None,
        kernel_num: int = 8,
        head_init: str = "published",
        router: str = "own",
        mix_bias: bool = True,
    ) -> None:
        spec = CondConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            kernel_num=kernel_num,
            head_init=head_init,
            router=router,
            mix_bias=mix_bias,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build_attention(self) -> None:
        spec = self.spec
        self._kernel_num = spec.kernel_num  # plain, because to_static cannot read a dataclass
        own = spec.router == "own"
        self.routing = Routing(spec.in_channels, spec.kernel_num, spec.head_init) if own else None

    def forward(self, x: paddle.Tensor, routing: paddle.Tensor | None = None) -> paddle.Tensor:
        """The convolved maps.

        Args:
            x: (batch, in, *map), or in the order of axes that the layer was made for.
            routing: (batch, kernel_num), for router="shared" only.

        Returns:
            (batch, out, *map), in the order of axes of `x`.
        """
        x = self._channels_first(x)
        mixing = self._routing_weights(x, routing)
        y = mixed_conv(x, self.weight, mixing, self.bias, *self._geometry)
        return self._as_given(y)

    def _routing_weights(self, x: paddle.Tensor, routing: paddle.Tensor | None) -> paddle.Tensor:
        if self.routing is not None:
            if routing is not None:
                raise ValueError(
                    "routing: expected none, because the layer has its own router, received a "
                    f"tensor of the shape {list(routing.shape)}; make the layer with "
                    "router='shared' to call it with routing weights"
                )
            return self.routing(x)
        if routing is None or routing.ndim != 2 or routing.shape[1] != self._kernel_num:
            received = "none" if routing is None else f"the shape {list(routing.shape)}"
            raise ValueError(
                f"routing: expected weights (batch, {self._kernel_num}), received {received}; "
                "with router='shared' call the layer with the output of a Routing layer"
            )
        return routing


class CondConv1D(_CondConv):
    """`CondConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(CondConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class CondConv2D(_CondConv):
    """Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971.

    Mixes `kernel_num` kernels and biases for each sample by routing weights: a sigmoid of a linear
    layer on the sample's mean. Takes the arguments of `paddle.nn.Conv2D` in their order.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`; channels come last with data_format="NHWC".

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the kernels.
        bias_attr: `paddle.ParamAttr` of the biases; False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        kernel_num: number of kernels that are mixed.
        head_init: "published" starts the router at Glorot uniform, "zero" at 0.5 for each kernel.
        router: "own", or "shared": the layer has none and is called with the routing weights
            (batch, kernel_num) of a `Routing` layer, `conv(x, routing)`, that several layers share.
        mix_bias: whether each kernel has a bias that is mixed, (kernel_num, out_channels), or the
            layer one that is added, (out_channels,).

    Raises:
        ValueError: an option is out of range, an input has other axes or channels, or routing
            weights are missing, superfluous or of another width.

    Example:
        >>> tuple(CondConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class CondConv3D(_CondConv):
    """`CondConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(CondConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
