"""Why a convolution of a network is better left as it is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parallel import DistributedDataParallel

from odconv_spec import replacing
from odconv_torch.layers.from_static import plain_conv

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# PyTorch has no public way to ask for them.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_WEIGHT_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class Obstacles:
    """What prevents replacing a convolution of `model`.

    Args:
        model: the network.
        frozen: whether convolutions that do not train are replaced, too.
        keep_function: whether the new layers take over values.
    """

    def __init__(self, model: nn.Module, frozen: bool, keep_function: bool) -> None:
        self._frozen = frozen
        self._keep_function = keep_function
        self._owners = replacing.Owners()
        self._wrapped: set[nn.Module] = set()
        for path, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
                self._owners.add(module, parameter, f"{path}.{name}" if path else name)
            if isinstance(module, DistributedDataParallel):
                self._wrapped.update(module.modules())

    def of(self, conv: _ConvNd) -> str | None:
        """The first reason to leave a convolution as it is; None if there is none."""
        try:
            plain = plain_conv(conv)
        except ValueError as error:
            return str(error)
        return next(self._reasons(plain), None)

    def _reasons(self, conv: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> Iterator[str]:
        name, weight, bias = type(conv).__name__, conv.weight, conv.bias
        if not weight.requires_grad and not self._frozen:
            yield replacing.frozen(name, "weight")
        if {"forward", "_conv_forward"} & vars(conv).keys():
            yield f"expected a plain convolution, received {name} with a forward of its own"
        if bias is not None and not isinstance(bias, nn.Parameter):
            yield f"expected a stored bias, received {name} that computes it anew"
        if weight.dtype not in _DTYPES or type(weight.data) is not torch.Tensor:
            received = f"{type(weight.data).__name__} of {weight.dtype}"
            yield f"expected a plain tensor of floating-point numbers, received {received}"
        if weight.is_meta and self._keep_function:
            yield (
                f"expected values, received {name} on the meta device; load them before, or give "
                "keep_function=False"
            )
        yield from self._of_others(conv)

    def _of_others(self, conv: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> Iterator[str]:
        """What else knows this convolution or its arrays, and would lose it."""
        name, arrays = type(conv).__name__, [p for p in (conv.weight, conv.bias) if p is not None]
        if path := self._owners.other_than(conv, arrays):
            yield replacing.shared(name, path)
        held = [*(getattr(conv, hooks) for hooks in _HOOKS)]
        held += [getattr(array, hooks, None) for array in arrays for hooks in _WEIGHT_HOOKS]
        if any(held):
            yield f"expected no hooks, received {name} with hooks; remove them before"
        if conv in self._wrapped:
            yield replacing.wrapped("DistributedDataParallel")


def freeze_like(layer: nn.Module, conv: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
    """Freezes the arrays of a new layer where those of the old one are."""
    for name, parameter in layer.named_parameters():
        of = conv.bias if name == "bias" and conv.bias is not None else conv.weight
        if not of.requires_grad:
            parameter.requires_grad_(False)
