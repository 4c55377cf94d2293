"""Convolutions with weight excitation for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from odconv_spec import WEConvSpec
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.excitation import Excitation, standardized, stretched, unstretched
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.leaf import leaf

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1
_STATIC: tuple[Callable[..., _ConvNd], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class _WEConv(DynamicConv):
    spec_class = WEConvSpec
    spec: WEConvSpec
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
        standardize: bool = False,
        location: bool = True,
        magnitude: bool = False,
        reduction: int = 16,
        head_init: str = "published",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = WEConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            standardize=standardize,
            location=location,
            magnitude=magnitude,
            reduction=reduction,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        # (out, in // groups, *kernel)
        self.weight = nn.Parameter(torch.empty(spec.kernel_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        if spec.location:
            self.fc1 = Excitation(spec.fc1(), "published", device, dtype)
            self.fc2 = Excitation(spec.fc2(), spec.head_init, device, dtype)

    def reset_parameters(self) -> None:
        """Kaiming normal weight, zero bias. The layers of the excitation have their own."""
        kaiming_normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        x, window = self._padded(x)
        x, window = window.symmetric(x)
        return _CONVS[self.rank - 1](
            x,
            self.excited_kernel(),
            self.bias,
            window.stride,
            window.sides,
            window.dilation,
            window.groups,
        )

    def excited_kernel(self) -> torch.Tensor:
        """The kernel that meets the map, (out, in // groups, *kernel).

        Returns:
            The kernel, the same for all samples.
        """
        weight: torch.Tensor = self.weight
        if self.spec.standardize:
            weight = standardized(weight)
        if self.spec.location:
            means = weight.mean(tuple(range(2, weight.dim())), keepdim=True)
            # (out, in // groups, *ones)
            weight = weight * torch.sigmoid(self.fc2(torch.relu(self.fc1(means))))
        return stretched(weight) if self.spec.magnitude else weight

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """None: the kernel depends on no sample. See `excited_kernel`."""
        return {}

    @torch.no_grad()
    def to_static(self) -> _ConvNd:
        """The convolution of `torch.nn` with the kernel that this layer makes of its weight.

        It computes the same without making the kernel anew in each call, and can be exported,
        quantised or fused as any other. Trained further, it is no longer this layer.

        Returns:
            A new layer in the mode (training or not) of this one.

        Raises:
            ValueError: the padding differs between the sides of an axis, which `torch.nn` lacks.

        Example:
            >>> layer, x = WEConv2d(16, 32, 3), torch.rand(1, 16, 8, 9)
            >>> torch.allclose(layer.to_static()(x), layer(x), atol=1e-6)
            True
        """
        spec = self.spec
        if not isinstance(self.padding, str) and any(a != b for a, b in spec.pads):
            raise ValueError(
                "padding: expected the same on both sides of each axis, as convolutions of "
                f"torch.nn have it, received {spec.pads}; make the layer with padding=0, and pad "
                "the map before it"
            )
        conv = _STATIC[self.rank - 1](
            **spec.static().options() | {"padding": self.padding},
            padding_mode=self.padding_mode,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
        conv.weight.copy_(self.excited_kernel())
        if conv.bias is not None and self.bias is not None:
            conv.bias.copy_(self.bias)
        return conv.train(self.training)

    def folded(self, scale: torch.Tensor, shift: torch.Tensor) -> _ConvNd:
        """The static convolution that computes y * scale + shift where this one computes y.

        No weight would do, because what is made of it is not proportional to it.
        """
        self.spec.fused(len(scale))  # which checks the channels
        conv = self.to_static()
        rows = scale.reshape(-1, *[1] * (conv.weight.dim() - 1))  # (out, 1, *ones)
        bias = shift if conv.bias is None else conv.bias * scale + shift
        conv.weight = nn.Parameter((conv.weight * rows).to(conv.weight.dtype))
        conv.bias = nn.Parameter(bias.to(conv.weight.dtype))
        return conv

    def _take_function(self, conv: nn.Module) -> None:
        """The factors of `location` are one half; the weight undoes them and `magnitude`."""
        static = plain_conv(conv)
        kernel = unstretched(static.weight) if self.spec.magnitude else static.weight
        self.weight.copy_(2 * kernel if self.spec.location else kernel)
        if self.bias is not None and static.bias is not None:
            self.bias.copy_(static.bias)


class WEConv1d(_WEConv):
    """`WEConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> WEConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class WEConv2d(_WEConv):
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
    is left out there in the first call of each process. Takes the arguments of `torch.nn.Conv2d` in
    their order; `to_static` gives the convolution for inference.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        bias: adds a bias, which is left as it is.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        standardize: weight standardisation.
        location: location-based excitation, LWE.
        magnitude: magnitude-based excitation, MWE.
        reduction: `in_channels` over the hidden width of LWE, which is rounded down, to 1 at least.
        head_init: "published" starts the second layer of LWE as PyTorch does, "zero" makes its
            factors one half.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has other axes or channels.

    Example:
        >>> WEConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class WEConv3d(_WEConv):
    """`WEConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> WEConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
