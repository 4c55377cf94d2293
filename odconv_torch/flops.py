"""Multiply-adds of the layers for programs that count by hooks on modules.

Such programs know the layers of `torch.nn` only, and see nothing of a dynamic convolution:

thop.profile(model, inputs=(x,), custom_ops=thop_ops())
ptflops.get_model_complexity_info(
    model,
    (3, 224, 224),
    custom_modules_hooks=ptflops_hooks(),
    backend_specific_config={"count_functional": False},
)

Programs that count the operations of torch need nothing of this: `FlopCounterMode` of
`torch.utils.flop_counter`, fvcore, and ptflops with `backend="aten"`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import nn

from odconv_spec import multiply_adds
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.build import DYNAMIC, SHARED
from odconv_torch.layers.norm import BATCH_NORMS, LayerNorm

Hook = Callable[[nn.Module, tuple[Any, ...], torch.Tensor], None]


def thop_ops() -> dict[type[nn.Module], Hook]:
    """What `thop.profile` takes as `custom_ops`.

    Norms of this package count no multiply-adds; they are named for their parameters, as thop has
    none of a class that it does not know.
    """
    return dict.fromkeys(_counted(), _for_thop) | dict.fromkeys((*BATCH_NORMS, LayerNorm), _nothing)


def ptflops_hooks() -> dict[type[nn.Module], Hook]:
    """What `ptflops.get_model_complexity_info` takes as `custom_modules_hooks`.

    Without `backend_specific_config={"count_functional": False}` ptflops counts some operations
    inside the layers once more.
    """
    return dict.fromkeys(_counted(), _for_ptflops)


def _counted() -> tuple[type[nn.Module], ...]:
    """Both programs look for the very class of a module."""
    return (*SHARED.values(), *(layer for layers in DYNAMIC.values() for layer in layers))


def _for_thop(layer: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    """`total_ops`, which thop makes, is a tensor in thop and a number in ultralytics-thop."""
    for inner in layer.modules():  # ultralytics-thop counts these, too
        if inner is not layer and hasattr(inner, "total_ops"):
            inner.total_ops = inner.total_ops * 0
    layer.total_ops = layer.total_ops + _of_call(layer, inputs[0])


def _nothing(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    """A norm's."""


def _for_ptflops(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    vars(layer)["__flops__"] += _of_call(layer, inputs[0])  # ptflops makes it


def _of_call(layer: nn.Module, x: torch.Tensor) -> int:
    """Multiply-adds of all samples, as `odconv_spec.multiply_adds` counts them."""
    if isinstance(layer, DynamicConv):
        return len(x) * multiply_adds(layer.spec, tuple(x.shape[2:]))
    weight = layer.get_parameter("weight")  # of a router, (kernel_num, in)
    return x.numel() + len(x) * prod(weight.shape)
