"""Whether somebody watches a layer, so that it must be called, or what it computes will do.

A small product costs less than the calls around it, and an attention has up to five of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules import module as torch_module

# torch has public ways to register hooks and none to ask for them.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_HOOKS_OF_ALL_MODULES = tuple(getattr(torch_module, f"_global{name}", {}) for name in _HOOKS)


def is_plain(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling the layer is no more than the `forward` of `kind`, which no hook sees.

    Example:
        >>> layer = nn.ReLU()
        >>> is_plain(layer, nn.ReLU), is_plain(layer, nn.ReLU6)
        (True, False)
        >>> handle = layer.register_forward_hook(print)
        >>> is_plain(layer, nn.ReLU)
        False
    """
    if type(layer).forward is not kind.forward or is_watched(layer):
        return False
    return "forward" not in vars(layer)


def is_watched(layer: nn.Module) -> bool:
    """Whether a hook sees what enters or leaves the layer."""
    return any(_HOOKS_OF_ALL_MODULES) or any(map(vars(layer).get, _HOOKS))


def are_plain(layers: Iterable[nn.Module], kind: type[nn.Module]) -> bool:
    """`is_plain` of each."""
    return all(is_plain(layer, kind) for layer in layers)
