"""Some rows of the kernels of some samples at a time: made, used and forgotten in the cache.

The kernels of all samples of a wide layer take more memory than the maps, and writing and reading
them more time than the arithmetic. Here a tile of them is mixed, meets the patches of its samples,
and its place is used for the next one. The derivative mixes the tiles again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.patches import patches_of
from odconv_torch.layers.forms.scaled import times
from odconv_torch.layers.window import Window

Product = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

_SAMPLES = 8  # of one tile
_TILE = 1 << 20  # its elements, about; 4 MiB of float32 stay in the caches of most processors


def tiled(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    return by_tiles(_MixedProduct.apply, x, weight, attentions, window)


def by_tiles(
    product: Product,
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    window: Window,
) -> torch.Tensor:
    """Mixes kernels that share attentions; `product` is `product_of_tiles` with a gradient."""
    if attentions.channel is not None:
        x = x * attentions.channel
    size = window.output_size(x.shape, weight.shape[3:])
    columns = patches_of(x, weight.shape[3:], window)  # (batch, groups, in // groups, taps, places)
    if attentions.spatial is not None:
        columns = columns * attentions.spatial.reshape(x.shape[0], 1, 1, -1, 1)
    columns = columns.to(x.dtype).flatten(2, 3)  # (batch, groups, in // groups * taps, places)
    # (kernel_num, groups, out // groups, in // groups * taps)
    bank = weight.to(x.dtype).unflatten(1, (window.groups, -1)).flatten(3)
    mixing = attentions.kernel
    if mixing is None:
        mixing = x.new_ones(x.shape[0], 1)
    y = product(columns, bank, mixing.to(x.dtype))
    y = y.reshape(x.shape[0], weight.shape[1], *size)
    return times(y, attentions.filter)


def product_of_tiles(
    columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor
) -> torch.Tensor:
    """(sum_k mixing[b, k] * bank[k]) @ columns[b] of each sample b, (batch, groups, rows, places).

    Args:
        columns: (batch, groups, depth, places).
        bank: (kernel_num, groups, rows, depth).
        mixing: (batch, kernel_num).
    """
    y = columns.new_empty(len(columns), *bank.shape[1:3], columns.shape[3])
    space = bank.new_empty(0)
    for rows, tile in _tiles(bank):
        for part in _parts(columns):
            space = _mixed(mixing[part], tile, space)
            kernels = space.unflatten(1, (bank.shape[1], -1, bank.shape[3]))
            y[part, :, rows] = kernels @ columns[part]
    return y


class _MixedProduct(torch.autograd.Function):
    @staticmethod
    def forward(columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor) -> torch.Tensor:
        return product_of_tiles(columns, bank, mixing)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # For a second derivative, plain operations of torch: they can be differentiated again.
        gradients = _gradients_at_once if torch.is_grad_enabled() else gradients_of_tiles
        return gradients(grad, *ctx.saved_tensors)

    @staticmethod
    def jvp(ctx: Any, *changes: torch.Tensor) -> torch.Tensor:
        """What changes of all three change, in forward mode."""
        columns, bank, mixing = ctx.saved_tensors
        change: torch.Tensor = _MixedProduct.apply(changes[0], bank, mixing)
        change = change + _MixedProduct.apply(columns, changes[1], mixing)
        return change + _MixedProduct.apply(columns, bank, changes[2])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        """One after the other: tiles are chosen for the memory of one."""
        rows = (
            [a if d is None else a.select(d, i) for a, d in zip(inputs, in_dims, strict=True)]
            for i in range(info.batch_size)
        )
        return torch.stack([_MixedProduct.apply(*row) for row in rows]), 0


def _gradients_at_once(
    grad: torch.Tensor, columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Those of `gradients_of_tiles`, with all kernels in memory."""
    kernels = torch.einsum("bk,kgrd->bgrd", mixing, bank)
    to_kernels = grad @ columns.transpose(2, 3)
    return (
        kernels.transpose(2, 3) @ grad,
        torch.einsum("bk,bgrd->kgrd", mixing, to_kernels),
        torch.einsum("bgrd,kgrd->bk", to_kernels, bank),
    )


def gradients_of_tiles(
    grad: torch.Tensor, columns: torch.Tensor, bank: torch.Tensor, mixing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Those of `product_of_tiles` to columns, bank and mixing."""
    to_columns = torch.zeros_like(columns, memory_format=torch.contiguous_format)
    to_mixing = torch.zeros_like(mixing, memory_format=torch.contiguous_format)
    fresh = torch.empty_like if len(columns) else torch.zeros_like  # no tile without samples
    to_bank = fresh(bank, memory_format=torch.contiguous_format)
    transposed, space = columns.transpose(2, 3), bank.new_empty(0)
    for rows, tile in _tiles(bank):
        to_tile = to_bank[:, :, rows].flatten(1)  # of several groups a copy
        for index, part in enumerate(_parts(columns)):
            space = _mixed(mixing[part], tile, space)
            kernels = space.unflatten(1, (bank.shape[1], -1, bank.shape[3]))
            slope = grad[part, :, rows]
            sums = to_columns[part].flatten(0, 1)  # a view
            sums.baddbmm_(kernels.transpose(2, 3).flatten(0, 1), slope.flatten(0, 1))
            to_kernels = (slope @ transposed[part]).flatten(1)
            to_tile.addmm_(
                mixing[part].t(), to_kernels, beta=min(index, 1)
            )  # 0 ignores what is there
            to_mixing[part] += to_kernels @ tile.t()
        if bank.shape[1] > 1:
            to_bank[:, :, rows] = to_tile.view_as(to_bank[:, :, rows])
    return to_columns, to_bank, to_mixing


def _tiles(bank: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    """Which rows, and those of all kernels, (kernel_num, groups * rows of the tile * depth).

    Without groups these are views: a copy of the bank takes as long as reading it three times.
    """
    count = max(1, _TILE // (_SAMPLES * bank.shape[1] * bank.shape[3]))
    for start in range(0, bank.shape[2], count):
        rows = slice(start, start + count)
        yield rows, bank[:, :, rows].flatten(1)


def _parts(columns: torch.Tensor) -> Iterator[slice]:
    for start in range(0, len(columns), _SAMPLES):
        yield slice(start, start + _SAMPLES)


def _mixed(mixing: torch.Tensor, tile: torch.Tensor, space: torch.Tensor) -> torch.Tensor:
    """Those rows of the kernels of some samples, (samples, groups * rows of the tile * depth).

    In the memory of the tile before, if that has the same size: new memory takes longer to get from
    the system than to fill.
    """
    if space.shape != (len(mixing), tile.shape[1]):
        space = tile.new_empty(len(mixing), tile.shape[1])
    return torch.mm(mixing, tile, out=space)
