"""What the convolutions of a block share, as a layer of the block."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

import torch
from torch import nn

from odconv_spec import SharedSpec
from odconv_torch.layers import build_shared

Device = torch.device | str | None


class ConvNorm(nn.Sequential):
    """A convolution and a batch norm; what a block shares goes to the convolution."""

    def forward(self, x: torch.Tensor, *shared: torch.Tensor) -> torch.Tensor:
        conv, norm = self
        return norm(conv(x, *shared))


def add_shared(
    block: nn.Module, spec: SharedSpec | None, device: Device, dtype: torch.dtype | None
) -> str:
    """Adds what the convolutions of a block share, and gives its name; "" where there is none."""
    if spec is None:
        return ""
    block.add_module(spec.name, build_shared(spec, device, dtype))
    return spec.name


def shared_by(block: nn.Module, name: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What each convolution of a block takes beside its input, from the input of the block."""
    return (getattr(block, name)(x),) if name else ()
