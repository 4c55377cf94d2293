"""Folds the batch norms of a network into the convolutions before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from odconv_torch.layers import DynamicConv
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.tools.fuse import fuse
from odconv_torch.tools.inference.chains import Pair, pairs


def fold_norms(model: nn.Module) -> nn.Module:
    """Folds the batch norms in `model` into the convolutions before them, in place.

    The norm's place keeps a `torch.nn.Identity`, so that code of the network that calls it works.
    A norm stays where the convolution has no arrays that could take it up (KernelWarehouse, FDConv,
    CondConv with mixed biases), and where either has hooks or is called more than once.

    Args:
        model: a network in evaluation mode, of this package or not.

    Returns:
        `model`, or the new layer where the model is a lone one.

    Example:
        >>> model = nn.Sequential(ODConv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
        >>> [type(layer).__name__ for layer in fold_norms(model)]
        ['ODConv2d', 'Identity', 'ReLU']
    """
    return fold(model, pairs(model))


def fold(model: nn.Module, found: Iterable[Pair]) -> nn.Module:
    """The same, for the pairs of layers that are known."""
    new: dict[nn.Module, nn.Module] = {}
    for conv, norm in found:
        folded = None if conv.training else _folded(conv, norm)
        if folded is not None:
            new |= {conv: folded, norm: nn.Identity()}
    return exchange(model, new)


def exchange(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Puts each new layer in all places of the one that it replaces; gives the network."""
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if path and module in new:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, new[module])
    return new.get(model, model)


def _folded(conv: nn.Module, norm: nn.Module) -> nn.Module | None:
    """A layer that computes both, or None where none does."""
    if not isinstance(norm, _BatchNorm) or norm.training or norm.running_var is None:
        return None  # it does not scale and shift by constants
    try:
        if isinstance(conv, DynamicConv):
            return fuse(conv, norm)
        return torch.nn.utils.fuse_conv_bn_eval(plain_conv(conv), norm)
    except ValueError:  # no plain convolution, or of a kind that cannot take it up
        return None
