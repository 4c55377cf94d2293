"""Convolutions with weight excitation for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers.attributes import paddle_padding
from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.excitation import Excitation, standardized, stretched, unstretched
from odconv_paddle.layers.from_static import device_of
from odconv_paddle.layers.init import kaiming_normal
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.per_sample import conv_per_sample
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import WEConvSpec

_STATIC: tuple[Callable[..., _ConvNd], ...] = (nn.Conv1D, nn.Conv2D, nn.Conv3D)  # by rank - 1


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class _WEConv(DynamicConv):
    spec_class = WEConvSpec
    spec: WEConvSpec
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
        standardize: bool = False,
        location: bool = True,
        magnitude: bool = False,
        reduction: int = 16,
        head_init: str = "published",
    ) -> None:
        spec = WEConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            standardize=standardize,
            location=location,
            magnitude=magnitude,
            reduction=reduction,
            head_init=head_init,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        # Plain, because to_static cannot read a dataclass.
        self._steps = (spec.standardize, spec.location, spec.magnitude)
        self.weight = self.create_parameter(
            list(spec.kernel_shape),  # (out, in // groups, *kernel)
            attr=weight_attr,
            default_initializer=kaiming_normal(spec),
        )
        self.bias = self.create_parameter(
            list(spec.bias_shape),
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        if spec.location:
            self.fc1 = Excitation(spec.fc1())
            self.fc2 = Excitation(spec.fc2(), spec.head_init)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        y = conv_per_sample(x, self.excited_kernel().unsqueeze(0), None, *self._geometry)
        if self.bias is not None:
            y = y + self.bias.astype(y.dtype).reshape([-1, *[1] * self.rank])
        return self._as_given(y)

    def excited_kernel(self) -> paddle.Tensor:
        """The kernel that meets the map, (out, in // groups, *kernel).

        Returns:
            The kernel in single precision at least, the same for all samples.
        """
        standardize, location, magnitude = self._steps
        weight = at_least_float32(self.weight)
        if standardize:
            weight = standardized(weight)
        if location:
            means = weight.mean(list(range(2, weight.ndim)), keepdim=True)
            # (out, in // groups, *ones)
            weight = weight * F.sigmoid(at_least_float32(self.fc2(F.relu(self.fc1(means)))))
        return stretched(weight) if magnitude else weight

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """None: the kernel depends on no sample. See `excited_kernel`."""
        return {}

    @paddle.no_grad()
    def to_static(self) -> _ConvNd:
        """The convolution of `paddle.nn` with the kernel that this layer makes of its weight.

        It computes the same without making the kernel anew in each call, and can be exported or
        quantised as any other. Trained further, it is no longer this layer.

        Returns:
            A new layer in the mode (training or not) of this one.

        Example:
            >>> layer, x = WEConv2D(16, 32, 3), paddle.rand([1, 16, 8, 9])
            >>> bool(paddle.allclose(layer.to_static()(x), layer(x), atol=1e-6))
            True
        """
        return self._static(self.excited_kernel(), self.bias)

    @paddle.no_grad()
    def folded(self, scale: paddle.Tensor, shift: paddle.Tensor) -> _ConvNd:
        """The static convolution that computes y * scale + shift where this one computes y.

        No weight would do, because what is made of it is not proportional to it.
        """
        self.spec.fused(len(scale))  # which checks the channels
        kernel = self.excited_kernel() * scale.reshape([-1, *[1] * (self.rank + 1)])
        bias = shift if self.bias is None else self.bias.astype(scale.dtype) * scale + shift
        return self._static(kernel, bias)

    def _take_function(self, conv: nn.Layer) -> None:
        """The factors of `location` are one half; the weight undoes them and `magnitude`."""
        kernel = unstretched(conv.weight) if self.spec.magnitude else conv.weight
        self.weight.set_value(2 * kernel if self.spec.location else kernel)
        if self.bias is not None:
            self.bias.set_value(conv.bias)

    def _static(self, kernel: paddle.Tensor, bias: paddle.Tensor | None) -> _ConvNd:
        """A convolution of `paddle.nn` with the geometry of this layer."""
        spec, dtype = self.spec, self.weight.dtype
        conv = _STATIC[self.rank - 1](
            spec.in_channels,
            spec.out_channels,
            spec.kernel,
            spec.strides,
            paddle_padding(spec.pads),
            spec.dilations,
            spec.groups,
            bias_attr=None if bias is not None else False,
            data_format=self._format,
        )
        conv.to(device=device_of(self.weight), dtype=dtype)
        conv.weight.set_value(kernel.astype(dtype))
        if bias is not None:
            conv.bias.set_value(bias.astype(dtype))
        if self.training:
            conv.train()
        else:
            conv.eval()
        return conv


class WEConv1D(_WEConv):
    """`WEConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(WEConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class WEConv2D(_WEConv):
    """Weight excitation, of "Weight Excitation: Built-in Attention Mechanisms in Convolutional
    Neural Networks" (ECCV 2020).

    Makes the kernel of its weight in each call, the same for all samples, so that a batch is one
    ordinary convolution. In this order, and each an option:

        standardize: w = (w - mean(w)) / (std(w) + 1e-5) over each filter
        location:    w = w * sigmoid(fc2(relu(fc1(mean of w over the taps)))), for each filter
        magnitude:   w = M * arctanh(w / M) with M = 1.1 * max |w|

    No code of the authors is public. This follows
    https://github.com/Ridwan230/pytorch-classification-weight-excitation, which is unofficial and
    whose latest version has `location` alone; but `magnitude` acts from the first call on, while it
    is left out there in the first call of each process. Takes the arguments of `paddle.nn.Conv2D`
    in their order; `to_static` gives the convolution for inference.

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
        weight_attr: `paddle.ParamAttr` of the weight.
        bias_attr: `paddle.ParamAttr` of the bias; False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        standardize: weight standardisation.
        location: location-based excitation, LWE.
        magnitude: magnitude-based excitation, MWE.
        reduction: `in_channels` over the hidden width of LWE, which is rounded down, to 1 at least.
        head_init: "published" starts the second layer of LWE as PyTorch does, "zero" makes its
            factors one half.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(WEConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class WEConv3D(_WEConv):
    """`WEConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(WEConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
