"""The 1x1 convolutions of attentions, which see maps of one position, and several of them as one.

A small product costs less than the calls around it, and an attention has up to five of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules import module as torch_module
from torch.nn.modules.conv import _ConvNd


class _Pointwise(_ConvNd):
    """A 1x1 convolution on maps of one position: the same product, with less work around it."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        y = F.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return y.reshape(*y.shape, *(1,) * (input.dim() - 2))


class Pointwise1d(_Pointwise, nn.Conv1d):
    """`torch.nn.Conv1d` of kernel size 1 for (batch, in, 1)."""


class Pointwise2d(_Pointwise, nn.Conv2d):
    """`torch.nn.Conv2d` of kernel size 1 for (batch, in, 1, 1)."""


class Pointwise3d(_Pointwise, nn.Conv3d):
    """`torch.nn.Conv3d` of kernel size 1 for (batch, in, 1, 1, 1)."""


POINTWISE = (Pointwise1d, Pointwise2d, Pointwise3d)  # by rank - 1


# torch has public ways to register hooks and none to ask for them.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_HOOKS_OF_ALL_MODULES = tuple(getattr(torch_module, f"_global{name}", {}) for name in _HOOKS)


def side_by_side(layers: Sequence[_ConvNd], x: torch.Tensor) -> torch.Tensor:
    """The outputs of layers with biases, one after the other: (batch, in, *ones) to (batch, sum).

    One product, unless somebody watches or has replaced one of the layers: then each is called.
    """
    if not all(map(_is_plain, layers)):
        return torch.cat([layer(x).flatten(1) for layer in layers], dim=1)
    weight = torch.cat([layer.weight for layer in layers]).flatten(1)  # (sum, in)
    bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
    return F.linear(x.flatten(1), weight, bias)


def _is_plain(layer: nn.Module) -> bool:
    """Whether calling the layer is no more than its product, as torch's own fast paths ask."""
    return type(layer) in POINTWISE and "forward" not in vars(layer) and not _is_watched(layer)


def _is_watched(layer: nn.Module) -> bool:
    """Whether hooks see the layer: its own, or those of all modules."""
    own = vars(layer)
    return any(own.get(name) for name in _HOOKS) or any(_HOOKS_OF_ALL_MODULES)
