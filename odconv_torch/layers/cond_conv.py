"""CondConv layers for one, two and three spatial axes."""

from __future__ import annotations

import torch

from odconv_spec import CondConvSpec
from odconv_torch.layers.dynamic import Device, Padding, Size
from odconv_torch.layers.functional import mixed_conv
from odconv_torch.layers.kernel_bank import KernelBank
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.routing import Routing


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
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        kernel_num: int = 8,
        head_init: str = "published",
        router: str = "own",
        mix_bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = CondConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            kernel_num=kernel_num,
            head_init=head_init,
            router=router,
            mix_bias=mix_bias,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build_attention(self, device: Device, dtype: torch.dtype | None) -> None:
        spec, start = self.spec, (self.spec.head_init, device, dtype)
        own = spec.router == "own"
        self.routing = Routing(spec.in_channels, spec.kernel_num, *start) if own else None

    @leaf
    def forward(self, x: torch.Tensor, routing: torch.Tensor | None = None) -> torch.Tensor:
        self._check_input(x)
        return self._convolve(mixed_conv, x, self._routing_weights(x, routing))

    def _routing_weights(self, x: torch.Tensor, given: torch.Tensor | None) -> torch.Tensor:
        """(batch, kernel_num), from the layer's own router or as given to `forward`."""
        name, spec = type(self).__name__, self.spec
        if self.routing is not None:
            if given is not None:
                raise ValueError(
                    f"{name}: expected no routing weights beside the layer's own router, received "
                    f'{tuple(given.shape)}; make the layer with router="shared" to give them'
                )
            return self.routing(x)
        if given is None:
            raise ValueError(
                f"{name} with router='shared': expected routing weights (batch, "
                f"{spec.kernel_num}), received none; call it as conv(x, routing)"
            )
        expected = (x.shape[0], spec.kernel_num)
        if tuple(given.shape) != expected:
            raise ValueError(
                f"{name}: expected routing weights {expected}, received {tuple(given.shape)}"
            )
        return given


class CondConv1d(_CondConv):
    """`CondConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> CondConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class CondConv2d(_CondConv):
    """Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971.

    Mixes `kernel_num` kernels and biases for each sample by routing weights, the sigmoid of one
    linear layer on the sample's mean over space:

        y = conv(x, sum_k routing_k * weight_k) + sum_k routing_k * bias_k

    Takes the arguments of `torch.nn.Conv2d` in their order. There is no temperature, and
    `set_temperature` leaves the layer alone.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`. With `router="shared"` the layer is called with routing
    weights (batch, kernel_num), already through the sigmoid, as its second argument.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        bias: gives each kernel a bias, mixed like the kernels.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        kernel_num: number of kernels that are mixed.
        head_init: "published" starts the router at Glorot uniform, "zero" with all routing weights
            at a half.
        router: "own", or "shared" where one `odconv_torch.layers.Routing` serves several layers.
        mix_bias: False makes the bias a single one that is simply added.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, the input has another rank or channel count, or
            routing weights are missing, superfluous or of another shape.

    Example:
        >>> CondConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
        >>> routing = Routing(16, 8)
        >>> shared = CondConv2d(16, 32, 3, router="shared")
        >>> x = torch.rand(1, 16, 8, 9)
        >>> shared(x, routing(x)).shape
        torch.Size([1, 32, 6, 7])
    """

    rank = 2


class CondConv3d(_CondConv):
    """`CondConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> CondConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
