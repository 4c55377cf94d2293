"""The 1x1 convolutions of attentions, on maps of one position, and several of them as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import ConvSpec
from odconv_torch.layers.forms.recording import batch_of
from odconv_torch.layers.init import start_
from odconv_torch.layers.watching import are_plain


class Pointwise(nn.Module):
    """A 1x1 convolution of maps of one position: (batch, in, *ones) to (batch, out, *ones).

    It stores what `torch.nn.Conv2d` stores and is none, nor a `torch.nn.Linear`: code that goes
    over a network's convolutions to start, adapt, prune or quantise them shall not take an
    attention for one. Its start is what dynamic convolutions train from.

    Args:
        spec: a convolution of one tap, whose `rank` is the number of axes of the map.
        head_init: "published" starts at Kaiming normal over the fan-out, "zero" at zero.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: `head_init` is unknown.

    Example:
        >>> spec = ConvSpec(in_channels=16, out_channels=4, kernel_size=1, bias=True)
        >>> Pointwise(spec)(torch.rand(2, 16, 1, 1)).shape
        torch.Size([2, 4, 1, 1])
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        spec: ConvSpec,
        head_init: str = "published",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.in_channels = spec.in_channels
        self.out_channels = spec.out_channels
        self.head_init = head_init
        # (out, in, *ones)
        self.weight = nn.Parameter(torch.empty(spec.kernel_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.out_channels, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal, or zeros where `head_init` says so; a bias of zeros."""
        start_(self.weight, self.head_init)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        y = self.product(input.flatten(1))
        return y.reshape(batch_of(y), self.out_channels, *(1,) * (input.dim() - 2))

    def product(self, rows: torch.Tensor) -> torch.Tensor:
        """The product of rows with the kernel, which no hook sees.

        Args:
            rows: (batch, in).

        Returns:
            (batch, out).
        """
        return F.linear(rows, self.weight.flatten(1), self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, rank={self.spec.rank}"
        return f"{text}, bias={self.spec.bias}, head_init={self.head_init!r}"


def side_by_side(layers: Sequence[Pointwise], x: torch.Tensor) -> torch.Tensor:
    """The outputs of layers with biases, one after the other: (batch, in, *ones) to (batch, sum).

    One product, unless a layer has a hook or is replaced by another: then each is called.
    """
    if are_plain(layers, Pointwise):
        return product_of_all(layers, x.flatten(1))
    return torch.cat([layer(x).flatten(1) for layer in layers], dim=1)


def product_of_all(layers: Sequence[Pointwise], rows: torch.Tensor) -> torch.Tensor:
    """The same of layers that nobody watches, and of rows: (batch, in) to (batch, sum)."""
    weight = torch.cat([layer.weight for layer in layers]).flatten(1)  # (sum, in)
    bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
    return F.linear(rows, weight, bias)
