"""WeightNet layers for one, two and three spatial axes."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import WeightNetConvSpec
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.forms.per_sample import conv_per_sample
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.weight_net import Grouped, Reduce, conv_in_segments

_NOISE = 0.1  # of what tells copies of a kernel apart, over the deviation of its taps


class _WeightNetConv(DynamicConv):
    spec_class = WeightNetConvSpec
    spec: WeightNetConvSpec
    reduce: Reduce | None
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        multiplier: int = 2,
        fc_groups: int = 2,
        reduction: int = 16,
        min_channels: int = 16,
        hidden_channels: int | None = None,
        router: str = "own",
        head_init: str = "published",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = WeightNetConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            multiplier=multiplier,
            fc_groups=fc_groups,
            reduction=reduction,
            min_channels=min_channels,
            hidden_channels=hidden_channels,
            router=router,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        shared = spec.takes_shared
        self.reduce = None if shared else Reduce.from_spec(spec.reduce(), device, dtype)
        self.wn_fc1 = Grouped(spec.fc1(), spec.fc1_deviation, device, dtype)
        self.wn_fc2 = Grouped(spec.fc2(), spec.fc2_deviation, device, dtype)

    def reset_parameters(self) -> None:
        """A bias of zeros. What makes the kernels has its own."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @leaf
    def forward(self, x: torch.Tensor, reduced: torch.Tensor | None = None) -> torch.Tensor:
        self._check_input(x)
        spec, numbers = self.spec, self._numbers(x, reduced)
        x, window = self._padded(x)
        if spec.copies > 1:
            kernels = self.wn_fc2(numbers).unflatten(1, spec.kernel_shape)
            y = conv_per_sample(x, kernels, window, self.strategy)
        else:
            kernel = self.wn_fc2.weight.reshape(spec.kernel_shape)
            y = conv_in_segments(x, kernel, numbers, window)
        if self.bias is None:
            return y
        return y + self.bias.to(y.dtype).reshape(-1, *[1] * spec.rank)

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.reduce is None:
            return {}
        numbers = self._numbers(x, None)
        return {"activation": numbers, "kernel": self.wn_fc2(numbers)}

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        fc2 = self.wn_fc2
        rows = fc2.weight.unflatten(0, (len(scale), -1))  # (out, taps, copies, *ones)
        rows = rows * scale.reshape(-1, *[1] * (rows.dim() - 1))
        bias = shift if self.bias is None else self.bias * scale + shift
        self.bias = nn.Parameter(bias.to(fc2.weight.dtype))
        fc2.weight = nn.Parameter(rows.flatten(0, 1).to(fc2.weight.dtype))

    def _take_function(self, conv: nn.Module) -> None:
        """Where several numbers make a tap, what they multiply differs by a noise that cancels."""
        conv, spec = plain_conv(conv), self.spec
        kernel = conv.weight.reshape(-1, 1)  # (taps of all filters, 1)
        apart = torch.randn_like(kernel.expand(-1, spec.copies))
        apart = apart - apart.mean(1, keepdim=True)  # of one copy nothing is left
        copies = kernel / spec.copies + _NOISE * kernel.std(correction=0) * apart
        self.wn_fc2.weight.copy_(copies.reshape(self.wn_fc2.weight.shape) / spec.start_gain)
        if self.bias is not None and conv.bias is not None:
            self.bias.copy_(conv.bias)

    def _numbers(self, x: torch.Tensor, reduced: torch.Tensor | None) -> torch.Tensor:
        """The numbers of each filter, (batch, filters * segments * copies)."""
        return torch.sigmoid(self.wn_fc1(self._vector(x, reduced)))

    def _vector(self, x: torch.Tensor, given: torch.Tensor | None) -> torch.Tensor:
        """(batch, vector_channels), from the layer's own `reduce` or as given to `forward`."""
        name, width = type(self).__name__, self.spec.vector_channels
        if self.reduce is not None:
            if given is not None:
                raise ValueError(
                    f"{name}: expected no vector beside the layer's own reduce, received "
                    f'{tuple(given.shape)}; make the layer with router="shared" to give one'
                )
            vector: torch.Tensor = self.reduce(x)
            return vector
        if given is None:
            raise ValueError(
                f"{name} with router='shared': expected a vector (batch, {width}), received none; "
                "call it as conv(x, reduced)"
            )
        expected = (x.shape[0], width)
        if tuple(given.shape) != expected:
            raise ValueError(f"{name}: expected a vector {expected}, received {tuple(given.shape)}")
        return given


class WeightNetConv1d(_WeightNetConv):
    """`WeightNetConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> WeightNetConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class WeightNetConv2d(_WeightNetConv):
    """WeightNet, https://arxiv.org/abs/2007.11823, as in https://github.com/megvii-model/WeightNet.

    Two small layers make the kernel of each sample from its mean over space:

        kernel = wn_fc2(sigmoid(wn_fc1(reduce(mean(x)))))

    `wn_fc2` works in groups: the taps of each filter are cut into `fc_groups` parts, and each part
    is made of multiplier / fc_groups of the filter's numbers. Where there is one number for a part,
    as published, a part is a static kernel times that number, so that ordinary convolutions compute
    the layer, whatever the batch; the kernel of a sample is only made where there are several. With
    as many groups as channels it is the published form for depthwise convolutions.

    Takes the arguments of `torch.nn.Conv2d` in their order. There is no temperature, and
    `set_temperature` leaves the layer alone.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`. With `router="shared"` the layer is called with the vector
    (batch, hidden_channels) of a `Reduce` as its second argument.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: 1, or the number of channels of both input and output.
        bias: adds an offset, which the published layer does not have.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        multiplier: numbers of each filter, M in the paper; a multiple of `fc_groups`.
        fc_groups: parts of each filter's taps, G in the paper; divides in_channels * taps.
        reduction: channels over the width of the vector, which is rounded down.
        min_channels: the least width of the vector.
        hidden_channels: the width of the vector itself.
        router: "own", or "shared" where one `Reduce` serves several layers.
        head_init: "published" starts `wn_fc1` as the published code does, "zero" with all numbers
            at a half.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, the input has another rank or channel count, or the
            vector is missing, superfluous or of another shape.

    Example:
        >>> WeightNetConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
        >>> reduce, x = Reduce(16, 8), torch.rand(1, 16, 8, 9)
        >>> shared = WeightNetConv2d(16, 32, 3, router="shared", hidden_channels=8)
        >>> shared(x, reduce(x)).shape
        torch.Size([1, 32, 6, 7])
    """

    rank = 2


class WeightNetConv3d(_WeightNetConv):
    """`WeightNetConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> WeightNetConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
