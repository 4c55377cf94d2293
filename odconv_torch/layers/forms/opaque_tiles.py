"""The product of tiles behind an operation of its own, for torch.compile: see `opaque`.

Which samples a tile is for depends on the batch, so the compiler would tie the program to it.
"""

from __future__ import annotations

from typing import Any

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.tiled import by_tiles, gradients_of_tiles, product_of_tiles
from odconv_torch.layers.window import Window

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# Written out, as in `opaque`.
_INPUTS = "Tensor columns, Tensor bank, Tensor mixing"
_SCHEMA = f"({_INPUTS}) -> Tensor"
_BACKWARD_SCHEMA = f"(Tensor grad, {_INPUTS}) -> (Tensor, Tensor, Tensor)"


def opaque_tiles(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    return by_tiles(torch.ops.odconv.product_of_tiles, x, weight, attentions, window)


@torch.library.custom_op("odconv::product_of_tiles", mutates_args=(), schema=_SCHEMA)
def _product(columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor) -> torch.Tensor:
    return product_of_tiles(columns, bank, mixing)


@_product.register_fake
def _(columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor) -> torch.Tensor:
    return columns.new_empty(columns.shape[0], *bank.shape[1:3], columns.shape[3])


@torch.library.custom_op(
    "odconv::product_of_tiles_backward", mutates_args=(), schema=_BACKWARD_SCHEMA
)
def _backward(
    grad: torch.Tensor, columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor
) -> Three:
    """The gradients to columns, bank and mixing."""
    return gradients_of_tiles(grad, columns, bank, mixing)


@_backward.register_fake
def _(grad: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in inputs)


def _setup_context(ctx: Any, inputs: Three, output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, grad: torch.Tensor) -> Three:
    gradients: Three = torch.ops.odconv.product_of_tiles_backward(grad, *ctx.saved_tensors)
    return gradients


_product.register_autograd(_differentiate, setup_context=_setup_context)
