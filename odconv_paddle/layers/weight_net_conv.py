"""WeightNet layers for one, two and three spatial axes."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant

from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.per_sample import conv_per_sample
from odconv_paddle.layers.temperature import at_least_float32
from odconv_paddle.layers.weight_net import Grouped, Reduce, conv_in_segments
from odconv_spec import WeightNetConvSpec

_NOISE = 0.1  # of what tells copies of a kernel apart, over the deviation of its taps


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _WeightNetConv(DynamicConv):
    spec_class = WeightNetConvSpec
    spec: WeightNetConvSpec
    reduce: Reduce | None
    bias: paddle.Tensor | None

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
        multiplier: int = 2,
        fc_groups: int = 2,
        reduction: int = 16,
        min_channels: int = 16,
        hidden_channels: int | None = None,
        router: str = "own",
        head_init: str = "published",
    ) -> None:
        spec = WeightNetConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            multiplier=multiplier,
            fc_groups=fc_groups,
            reduction=reduction,
            min_channels=min_channels,
            hidden_channels=hidden_channels,
            router=router,
            head_init=head_init,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        # Plain values, because to_static cannot read a dataclass's properties.
        self._kernel, self._copies = list(spec.kernel_shape), spec.copies
        self._vector_channels = spec.vector_channels
        self.bias = self.create_parameter(
            list(spec.bias_shape),
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        self.reduce = None if spec.takes_shared else Reduce.from_spec(spec.reduce())
        self.wn_fc1 = Grouped(spec.fc1(), spec.fc1_deviation)
        self.wn_fc2 = Grouped(spec.fc2(), spec.fc2_deviation, weight_attr)

    def forward(self, x: paddle.Tensor, reduced: paddle.Tensor | None = None) -> paddle.Tensor:
        """The convolved maps.

        Args:
            x: (batch, in, *map), or in the order of axes that the layer was made for.
            reduced: (batch, hidden_channels), for router="shared" only.

        Returns:
            (batch, out, *map), in the order of axes of `x`.
        """
        x = self._channels_first(x)
        numbers = self._numbers(x, reduced)
        if self._copies > 1:
            kernels = self.wn_fc2(numbers).reshape([-1, *self._kernel])
            y = conv_per_sample(x, kernels, None, *self._geometry)
        else:
            kernel = self.wn_fc2.weight.reshape(self._kernel)
            y = conv_in_segments(x, kernel, numbers, *self._geometry)
        if self.bias is not None:
            y = y + self.bias.astype(y.dtype).reshape([-1, *[1] * self.rank])
        return self._as_given(y)

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        if self.reduce is None:
            return {}
        numbers = self._numbers(self._channels_first(x), None)
        return {"activation": numbers, "kernel": self.wn_fc2(numbers)}

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        weight = self.wn_fc2.weight
        if self.bias is None:
            bias = shift
            self.bias = self.create_parameter(
                list(self.spec.bias_shape), dtype=weight.dtype, is_bias=True
            )
        else:
            bias = self.bias.astype(scale.dtype) * scale + shift
        rows = weight.astype(scale.dtype).reshape([len(scale), -1]) * scale.unsqueeze(1)
        weight.set_value(rows.reshape(weight.shape).astype(weight.dtype))
        self.bias.set_value(bias.astype(weight.dtype))

    def _take_function(self, conv: nn.Layer) -> None:
        """Where several numbers make a tap, what they multiply differs by a noise that cancels."""
        spec, weight = self.spec, self.wn_fc2.weight
        kernel = conv.weight.reshape([-1, 1])  # (taps of all filters, 1)
        apart = paddle.randn([kernel.shape[0], spec.copies], kernel.dtype)
        apart = apart - apart.mean(1, keepdim=True)  # of one copy nothing is left
        spread = (kernel - kernel.mean()).square().mean().sqrt()
        copies = kernel / spec.copies + _NOISE * spread * apart
        weight.set_value((copies / spec.start_gain).reshape(weight.shape))
        if self.bias is not None:
            self.bias.set_value(conv.bias)

    def _numbers(self, x: paddle.Tensor, reduced: paddle.Tensor | None) -> paddle.Tensor:
        """The numbers of each filter, (batch, filters * segments * copies)."""
        return F.sigmoid(at_least_float32(self.wn_fc1(self._vector(x, reduced))))

    def _vector(self, x: paddle.Tensor, reduced: paddle.Tensor | None) -> paddle.Tensor:
        """(batch, vector_channels), from the layer's own `reduce` or as given to `forward`."""
        if self.reduce is not None:
            if reduced is not None:
                raise ValueError(
                    "reduced: expected none, because the layer has its own reduce, received a "
                    f"tensor of the shape {list(reduced.shape)}; make the layer with "
                    "router='shared' to call it with a vector"
                )
            return self.reduce(x)
        if reduced is None or reduced.ndim != 2 or reduced.shape[1] != self._vector_channels:
            received = "none" if reduced is None else f"the shape {list(reduced.shape)}"
            raise ValueError(
                f"reduced: expected a vector (batch, {self._vector_channels}), received "
                f"{received}; with router='shared' call the layer with the output of a Reduce layer"
            )
        return reduced


class WeightNetConv1D(_WeightNetConv):
    """`WeightNetConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(WeightNetConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class WeightNetConv2D(_WeightNetConv):
    """WeightNet, https://arxiv.org/abs/2007.11823, as in https://github.com/megvii-model/WeightNet.

    Two small layers make the kernel of each sample from its mean over space:

        kernel = wn_fc2(sigmoid(wn_fc1(reduce(mean(x)))))

    `wn_fc2` works in groups: the taps of each filter are cut into `fc_groups` parts, and each part
    is made of multiplier / fc_groups of the filter's numbers. Where there is one number for a part,
    as published, a part is a static kernel times that number, so that ordinary convolutions compute
    the layer, whatever the batch; the kernel of a sample is only made where there are several. With
    as many groups as channels it is the published form for depthwise convolutions.

    Takes the arguments of `paddle.nn.Conv2D` in their order. There is no temperature, and
    `set_temperature` leaves the layer alone.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`; channels come last with data_format="NHWC". With
    `router="shared"` the layer is called with the vector (batch, hidden_channels) of a `Reduce` as
    its second argument.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: 1, or the number of channels of both input and output.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the weight of `wn_fc2`, which kernels are made of.
        bias_attr: `paddle.ParamAttr` of the bias; False for none, as in the published layer.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        multiplier: numbers of each filter, M in the paper; a multiple of `fc_groups`.
        fc_groups: parts of each filter's taps, G in the paper; divides in_channels * taps.
        reduction: channels over the width of the vector, which is rounded down.
        min_channels: the least width of the vector.
        hidden_channels: the width of the vector itself.
        router: "own", or "shared" where one `Reduce` serves several layers.
        head_init: "published" starts `wn_fc1` as the published code does, "zero" with all numbers
            at a half.

    Raises:
        ValueError: an option is out of range, an input has other axes or channels, or the vector
            is missing, superfluous or of another width.

    Example:
        >>> tuple(WeightNetConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
        >>> reduce, x = Reduce(16, 8), paddle.rand([1, 16, 8, 9])
        >>> shared = WeightNetConv2D(16, 32, 3, router="shared", hidden_channels=8)
        >>> tuple(shared(x, reduce(x)).shape)
        (1, 32, 6, 7)
    """

    rank = 2


class WeightNetConv3D(_WeightNetConv):
    """`WeightNetConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(WeightNetConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
