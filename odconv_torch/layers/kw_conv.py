"""KernelWarehouse layers for one, two and three spatial axes."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import KWConvSpec
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.forms.per_sample import conv_per_sample
from odconv_torch.layers.kw_attention import KWAttention
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.warehouse import WarehouseManager


class KWConv(DynamicConv):
    """What the layers of KernelWarehouse over one, two and three axes have in common.

    Example:
        >>> isinstance(KWConv2d(16, 32, 3), KWConv)
        True
    """

    spec_class = KWConvSpec
    spec: KWConvSpec
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        reduction: float = 0.0625,
        cell_num_ratio: float = 1.0,
        cell_inplane_ratio: float = 1.0,
        cell_outplane_ratio: float = 1.0,
        nonlocal_basis_ratio: float = 1.0,
        spatial_partition: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = KWConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            reduction=reduction,
            cell_num_ratio=cell_num_ratio,
            cell_inplane_ratio=cell_inplane_ratio,
            cell_outplane_ratio=cell_outplane_ratio,
            nonlocal_basis_ratio=nonlocal_basis_ratio,
            spatial_partition=spatial_partition,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        self.attention = KWAttention(spec, device, dtype)
        self._cut = (spec.place.cell, spec.parts_of(spec.place.cell), spec.kernel_shape)
        # In a tuple, so that cells of a network are not registered again in each of its layers.
        self._manager: tuple[WarehouseManager, ...] = ()
        if spec.manager is not None:
            self.warehouse_manager = WarehouseManager(spec.manager, device, dtype)

    def reset_parameters(self) -> None:
        """A bias of zeros. The attention and the warehouse have their own starts."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def take_cells_from(self, manager: WarehouseManager) -> None:
        """Makes the layer read the cells of a network; one with cells of its own is left alone.

        Raises:
            ValueError: the manager has no such warehouse.
        """
        if not self.spec.shares:
            return
        number, cells, cell, _ = self.spec.place
        shapes = [tuple(weights.shape) for weights in manager.weights]
        if not number < len(shapes) or shapes[number] != (cells, *cell):
            raise ValueError(
                f"manager: expected one whose warehouse {number} has the shape "
                f"{(cells, *cell)}, received warehouses of {shapes}"
            )
        self._manager = (manager,)

    @property
    def borrowed(self) -> tuple[nn.Parameter, ...]:
        """The cells of a warehouse that it shares, which `forward` may be given.

        Returns:
            One array, or none of a layer with a warehouse of its own.
        """
        return (self.cells,) if self.spec.shares else ()

    @leaf
    def forward(self, x: torch.Tensor, cells: torch.Tensor | None = None) -> torch.Tensor:
        self._check_input(x)
        kernels = self.kernels(x, cells)
        x, window = self._padded(x)
        y = conv_per_sample(x, kernels, window, self.strategy)
        return y if self.bias is None else y + self.bias.to(y.dtype).reshape(-1, *[1] * self.rank)

    def kernels(self, x: torch.Tensor, cells: torch.Tensor | None = None) -> torch.Tensor:
        """The kernel of each sample, (batch, out, in // groups, *kernel).

        Args:
            x: (batch, in, *map).
            cells: of the warehouse, (cells, out, in, *taps); None are those that the layer reads.

        Returns:
            The mixtures of the cells, laid out as kernels.
        """
        cell, parts, shape = self._cut
        cells = self.cells if cells is None else cells
        weights = self.attention(x).to(cells.dtype)  # (batch * mixtures, cells)
        mixed = (weights @ cells.flatten(1)).reshape(-1, *parts, *cell)
        # (batch, out blocks, out, in blocks, in, taps of the parts, *taps of a cell)
        ordered = mixed.permute(0, 2, 4, 3, 5, 1, *range(6, 6 + self.rank))
        return ordered.reshape(-1, *shape)

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the cells in each part of each sample's kernel."""
        return {"mixture": self.attention(x)}

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        raise ValueError(
            "norm: expected a layer whose kernels can be scaled, received KernelWarehouse, whose "
            "cells serve several outputs; leave the norm as it is"
        )

    @property
    def cells(self) -> nn.Parameter:
        """Those of the warehouse, (cells, out, in, *taps).

        Returns:
            The array of the warehouse itself, not a copy.

        Raises:
            ValueError: the layer shares a warehouse, and was not told where.
        """
        if not self.spec.shares:
            own: nn.Parameter = self.warehouse_manager.weights[0]
            return own
        if not self._manager:
            raise ValueError(
                f"{type(self).__name__}: expected cells, received none: a layer that shares a "
                "warehouse is told where, by WarehouseManager(spec).serve(network)"
            )
        (manager,) = self._manager
        shared: nn.Parameter = manager.weights[self.spec.place.warehouse]
        return shared

    def _take_function(self, conv: nn.Module) -> None:
        """Each mixture gets a cell of its own, and weighs no other until it is trained."""
        cell, (spatial, outs, ins), _ = self._cut
        out, inputs, *taps = cell
        parts = conv.get_parameter("weight").reshape(outs, out, ins, inputs, spatial, *taps)
        parts = parts.permute(4, 0, 2, 1, 3, *range(5, 5 + len(taps))).reshape(-1, *cell)
        start = self.attention.start[:, :-1]
        gain = 1 / (1 + 1e-3)  # of a mixture that weighs one cell by one
        for logits in (self.attention.fc2.weight, self.attention.fc2.bias):
            nn.init.zeros_(logits)
        self.attention.fc2.bias.copy_(self.attention.start.flatten())
        self.warehouse_manager.weights[0][start.argmax(1)] = parts / gain
        if self.bias is not None:
            self.bias.copy_(conv.get_parameter("bias"))


class KWConv1d(KWConv):
    """`KWConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> KWConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class KWConv2d(KWConv):
    """KernelWarehouse, https://arxiv.org/abs/2406.07879.

    Cuts the kernel into parts, and makes each a linear mixture of all cells of a warehouse, by
    weights that two small layers compute from the sample's mean over space:

        part_j = sum_n alpha_jn * cell_n
        alpha_j = (1 - T) * z_j / (sum_n |z_jn| + 0.001) + T * beta_j

    beta_j is the cell that the part starts as. Anneal T from 1 to 0 over the first epochs, as
    published (`odconv_torch.TemperatureScheduler`).

    A warehouse is meant for many layers: `odconv_spec.share_warehouses` gives the specs of those
    that share some, and a `WarehouseManager` holds their cells. A layer that is made by itself, as
    here, has a warehouse of its own. Takes the arguments of `torch.nn.Conv2d` in their order.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        bias: adds a bias (out,).
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        reduction: hidden width of the attention over `in_channels`; it is 16 at least.
        cell_num_ratio: cells over the parts of the kernel; a whole number, or one over it.
        cell_inplane_ratio: input channels of a cell over those of the kernel.
        cell_outplane_ratio: output channels of a cell over those of the kernel.
        nonlocal_basis_ratio: below one, cells of other layers are weighed through a basis of so
            many times their number; of use in a shared warehouse.
        spatial_partition: whether a cell has one tap, or all taps of the kernel.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, cells do not fit, or the input has another rank or
            channel count.

    Example:
        >>> KWConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class KWConv3d(KWConv):
    """`KWConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> KWConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
