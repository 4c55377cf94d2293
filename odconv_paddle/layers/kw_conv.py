"""KernelWarehouse layers for one, two and three spatial axes."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn.initializer import Constant

from odconv_paddle.layers.data_format import is_channels_last
from odconv_paddle.layers.dynamic import Attr, DynamicConv, Padding, Size
from odconv_paddle.layers.kw_attention import KWAttention
from odconv_paddle.layers.padding import as_spec_padding
from odconv_paddle.layers.per_sample import conv_per_sample
from odconv_paddle.layers.warehouse import WarehouseManager
from odconv_spec import KWConvSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class KWConv(DynamicConv):
    """What the layers of KernelWarehouse over one, two and three axes have in common.

    Example:
        >>> isinstance(KWConv2D(16, 32, 3), KWConv)
        True
    """

    spec_class = KWConvSpec
    spec: KWConvSpec
    bias: paddle.Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        padding_mode: str = "zeros",
        weight_attr: Attr = None,
        bias_attr: Attr = None,
        data_format: str | None = None,
        reduction: float = 0.0625,
        cell_num_ratio: float = 1.0,
        cell_inplane_ratio: float = 1.0,
        cell_outplane_ratio: float = 1.0,
        nonlocal_basis_ratio: float = 1.0,
        spatial_partition: bool = True,
    ) -> None:
        spec = KWConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=as_spec_padding(padding, self.rank, is_channels_last(data_format, self.rank)),
            dilation=dilation,
            groups=groups,
            bias=bias_attr is not False,
            rank=self.rank,
            reduction=reduction,
            cell_num_ratio=cell_num_ratio,
            cell_inplane_ratio=cell_inplane_ratio,
            cell_outplane_ratio=cell_outplane_ratio,
            nonlocal_basis_ratio=nonlocal_basis_ratio,
            spatial_partition=spatial_partition,
        )
        super().__init__(spec, padding_mode, weight_attr, bias_attr, data_format)

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        self.bias = self.create_parameter(
            list(spec.bias_shape),
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        self.attention = KWAttention(spec)
        # Plain values, because to_static cannot read a dataclass's properties.
        self._cut = (spec.place.cell, spec.parts_of(spec.place.cell), spec.kernel_shape)
        self._number, self._shares = spec.place.warehouse, spec.shares
        # In a tuple, so that cells of a network are not registered again in each of its layers.
        self._manager: tuple[WarehouseManager, ...] = ()
        if spec.manager is not None:
            self.warehouse_manager = WarehouseManager(spec.manager, weight_attr)

    def take_cells_from(self, manager: WarehouseManager) -> None:
        """Makes the layer read the cells of a network; one with cells of its own is left alone.

        Raises:
            ValueError: the manager has no such warehouse.
        """
        if not self._shares:
            return
        number, cells, cell, _ = self.spec.place
        shapes = [tuple(weights.shape) for weights in manager.weights]
        if not number < len(shapes) or shapes[number] != (cells, *cell):
            raise ValueError(
                f"manager: expected one whose warehouse {number} has the shape "
                f"{(cells, *cell)}, received warehouses of {shapes}"
            )
        self._manager = (manager,)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        y = conv_per_sample(x, self._kernels(x), None, *self._geometry)
        if self.bias is not None:
            y = y + self.bias.astype(y.dtype).reshape([-1, *[1] * self.rank])
        return self._as_given(y)

    def kernels(self, x: paddle.Tensor) -> paddle.Tensor:
        """The kernel of each sample, (batch, out, in // groups, *kernel).

        Args:
            x: the input, as in `forward`.

        Returns:
            The mixtures of the cells, laid out as kernels.
        """
        return self._kernels(self._channels_first(x))

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """The weights of the cells in each part of each sample's kernel."""
        return {"mixture": self.attention(self._channels_first(x))}

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        raise ValueError(
            "norm: expected a layer whose kernels can be scaled, received KernelWarehouse, whose "
            "cells serve several outputs; leave the norm as it is"
        )

    @property
    def cells(self) -> paddle.Tensor:
        """Those of the warehouse, (cells, out, in, *taps).

        Returns:
            The array of the warehouse itself, not a copy.

        Raises:
            ValueError: the layer shares a warehouse, and was not told where.
        """
        if not self._shares:
            return self.warehouse_manager.weights[0]
        if not self._manager:
            raise ValueError(
                f"{type(self).__name__}: expected cells, received none: a layer that shares a "
                "warehouse is told where, by WarehouseManager(spec).serve(network)"
            )
        return self._manager[0].weights[self._number]

    def _kernels(self, x: paddle.Tensor) -> paddle.Tensor:
        cell, parts, shape = self._cut
        cells = self.cells.reshape([self.cells.shape[0], -1])
        weights = self.attention(x).astype(cells.dtype)  # (batch * mixtures, cells)
        mixed = paddle.matmul(weights, cells).reshape([-1, *parts, *cell])
        # (batch, out blocks, out, in blocks, in, taps of the parts, *taps of a cell)
        ordered = mixed.transpose([0, 2, 4, 3, 5, 1, *range(6, 6 + self.rank)])
        return ordered.reshape([-1, *shape])

    def _take_function(self, conv: nn.Layer) -> None:
        """Each mixture gets a cell of its own, and weighs no other until it is trained."""
        cell, (spatial, outs, ins), _ = self._cut
        out, inputs, *taps = cell
        parts = conv.weight.reshape([outs, out, ins, inputs, spatial, *taps])
        parts = parts.transpose([4, 0, 2, 1, 3, *range(5, 5 + len(taps))]).reshape([-1, *cell])
        attention, (own,) = self.attention, self.warehouse_manager.weights
        attention.fc2.weight.set_value(paddle.zeros_like(attention.fc2.weight))
        attention.fc2.bias.set_value(attention.start.flatten())
        places = attention.start[:, :-1].argmax(1)
        # A mixture that weighs one cell by one has 1 / 1.001 of it.
        own.set_value(paddle.scatter(own, places, parts * (1 + 1e-3)))
        if self.bias is not None:
            self.bias.set_value(conv.bias)


class KWConv1D(KWConv):
    """`KWConv2D` over one axis: (batch, in, length) to (batch, out, length).

    `data_format` is "NCL" or "NLC".

    Example:
        >>> tuple(KWConv1D(16, 32, 3, padding=1)(paddle.rand([1, 16, 9])).shape)
        (1, 32, 9)
    """

    rank = 1


class KWConv2D(KWConv):
    """KernelWarehouse, https://arxiv.org/abs/2406.07879.

    Cuts the kernel into parts, and makes each a linear mixture of all cells of a warehouse, by
    weights that two small layers compute from the sample's mean over space:

        part_j = sum_n alpha_jn * cell_n
        alpha_j = (1 - T) * z_j / (sum_n |z_jn| + 0.001) + T * beta_j

    beta_j is the cell that the part starts as. Anneal T from 1 to 0 over the first epochs, as
    published (`odconv_paddle.TemperatureScheduler`).

    A warehouse is meant for many layers: `odconv_spec.share_warehouses` gives the specs of those
    that share some, and a `WarehouseManager` holds their cells. A layer that is made by itself, as
    here, has a warehouse of its own. Takes the arguments of `paddle.nn.Conv2D` in their order.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `paddle.nn.Conv2D`; channels come last with data_format="NHWC".

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros in any form that `paddle.nn.Conv2D` takes. "SAME" keeps the map's size, at
            any dilation, and needs stride 1; elsewhere give numbers.
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        padding_mode: "zeros", the only one.
        weight_attr: `paddle.ParamAttr` of the cells.
        bias_attr: `paddle.ParamAttr` of the bias (out_channels); False for none.
        data_format: "NCHW", the default, or "NHWC", which is transposed on the way in and out.
        reduction: hidden width of the attention over `in_channels`; it is 16 at least.
        cell_num_ratio: cells over the parts of the kernel; a whole number, or one over it.
        cell_inplane_ratio: input channels of a cell over those of the kernel.
        cell_outplane_ratio: output channels of a cell over those of the kernel.
        nonlocal_basis_ratio: below one, cells of other layers are weighed through a basis of so
            many times their number; of use in a shared warehouse.
        spatial_partition: whether a cell has one tap, or all taps of the kernel.

    Raises:
        ValueError: an option is out of range, cells do not fit, or an input has other axes or
            channels.

    Example:
        >>> tuple(KWConv2D(16, 32, 3, padding=1)(paddle.rand([1, 16, 8, 9])).shape)
        (1, 32, 8, 9)
    """

    rank = 2


class KWConv3D(KWConv):
    """`KWConv2D` over three axes: (batch, in, depth, height, width).

    `data_format` is "NCDHW" or "NDHWC".

    Example:
        >>> tuple(KWConv3D(16, 32, 3, padding=1)(paddle.rand([1, 16, 7, 8, 9])).shape)
        (1, 32, 7, 8, 9)
    """

    rank = 3
