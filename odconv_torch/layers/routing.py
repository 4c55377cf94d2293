"""The router of CondConv: a sigmoid of one linear layer on the input's mean."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import LinearSpec, RoutingSpec
from odconv_spec.geometry import one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_torch.layers.attending import Attending, Heads, attended, linear_of
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.pooling import global_mean


class Routing(Attending):
    """Routing weights (batch, kernel_num) of maps (batch, in, *map). It has no temperature.

    A `CondConv2d` has its own, or the convolutions of a block share one: they are then made with
    `router="shared"` and called as `conv(x, routing(block_input))`. As the layers of attentions it
    is no `torch.nn.Linear`, see `Pointwise`.

    Args:
        in_channels: channels of the input.
        kernel_num: number of kernels of the convolutions that it steers.
        head_init: "published" starts at Glorot uniform, "zero" with all routing weights at a half.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> Routing(16, 8)(torch.rand(2, 16, 8, 9)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        in_channels: int,
        kernel_num: int,
        head_init: str = "published",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = LinearSpec(
            whole("in_channels", in_channels, 1), whole("kernel_num", kernel_num, 1)
        )
        self.in_channels = in_channels
        self.kernel_num = kernel_num
        self.head_init = one_of("head_init", head_init, HEAD_INITS)
        # (kernel_num, in)
        self.weight = nn.Parameter(torch.empty(kernel_num, in_channels, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(kernel_num, device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_spec(
        cls,
        spec: RoutingSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Routing:
        """The router that `spec` describes, with random weights.

        Returns:
            The router in training mode.
        """
        return cls(spec.in_channels, spec.out_channels, spec.head_init, device, dtype)

    def reset_parameters(self) -> None:
        """Glorot uniform, or zeros where `head_init` says so; a bias of zeros."""
        start = nn.init.xavier_uniform_ if self.head_init == "published" else nn.init.zeros_
        start(self.weight)
        nn.init.zeros_(self.bias)

    @leaf
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.native:
            head = Heads(("routing",), (self.kernel_num,), (0,))
            parts = attended(input, None, None, (linear_of(self),), head)
            if parts is not None:
                return parts[0]
        return torch.sigmoid(F.linear(global_mean(input).flatten(1), self.weight, self.bias))

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.kernel_num}, head_init={self.head_init!r}"
