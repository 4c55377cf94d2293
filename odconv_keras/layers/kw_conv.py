"""KernelWarehouse layers for one, two and three spatial axes."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.chain import Chain
from odconv_keras.layers.conv import conv_per_sample
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.kw_attention import KWAttention
from odconv_keras.layers.warehouse import Warehouse
from odconv_spec import KWConvSpec


class KWConv(DynamicConv):
    """What the layers of KernelWarehouse over one, two and three axes have in common.

    Example:
        >>> isinstance(KWConv2D(32, 3), KWConv)
        True
    """

    spec_class = KWConvSpec
    cell_num_ratio: float
    bias: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Padding = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        reduction: float = 0.0625,
        cell_num_ratio: float = 1.0,
        cell_inplane_ratio: float = 1.0,
        cell_outplane_ratio: float = 1.0,
        nonlocal_basis_ratio: float = 1.0,
        spatial_partition: bool = True,
        stretch: Any = None,
        **kwargs: Any,
    ) -> None:
        spec = self.spec_of(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            use_bias=use_bias,
            reduction=reduction,
            cell_num_ratio=cell_num_ratio,
            cell_inplane_ratio=cell_inplane_ratio,
            cell_outplane_ratio=cell_outplane_ratio,
            nonlocal_basis_ratio=nonlocal_basis_ratio,
            spatial_partition=spatial_partition,
            stretch=stretch,
        )
        super().__init__(
            spec,
            padding=padding,
            data_format=data_format,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    @classmethod
    def least_channels(cls, groups: int, **options: Any) -> int:
        return 16 * groups  # of fewer no cells may fit, and the input's width is not known yet

    @property
    def takes_shared(self) -> bool:
        """Whether the layer is called with cells that it shares.

        Returns:
            False where it has a warehouse of its own.
        """
        return self._spec_before_build.shares  # type: ignore[attr-defined]  # a KWConvSpec

    def call(self, inputs: Any, cells: Any = None, training: bool | None = None) -> Any:
        self._check_cells(cells)
        x = self._channels_last(inputs)
        y = conv_per_sample(x, self._kernels(x, cells, training), self.window)
        return self._finished(y if self.bias is None else y + ops.cast(self.bias, y.dtype))

    def compute_output_spec(self, inputs: Any, cells: Any = None, **kwargs: Any) -> Any:
        self._check_cells(cells)  # symbolic calls do not run `call`
        return super().compute_output_spec(inputs, **kwargs)

    def kernels(self, inputs: Any, cells: Any = None) -> Any:
        """The kernel of each sample, (batch, *kernel, in // groups, out).

        Args:
            inputs: as in `call`.
            cells: as in `call`.

        Returns:
            The mixtures of the cells, laid out as kernels.
        """
        return self._kernels(self._channels_last(inputs), cells)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """The weights of the cells in each part of each sample's kernel."""
        return {"mixture": self.attention(self._channels_last(inputs))}

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        raise ValueError(
            "norm: expected a layer whose kernels can be scaled, received KernelWarehouse, whose "
            "cells serve several outputs; leave the norm as it is"
        )

    def _build_arrays(self, shape: Shape) -> None:
        spec = self.spec
        self.bias = self._add_bias() if spec.bias else None
        with keras.RematScope(mode=None):  # the scope is for the layer as a whole
            self._build_inside(shape)

    def _build_inside(self, shape: Shape) -> None:
        spec = self.spec
        # Not in half precision, in which hundreds of weights would not add up.
        self.attention = KWAttention(spec, name="attention", dtype=self.variable_dtype)
        self.attention.build(shape)
        if spec.manager is not None:
            own = Warehouse(
                spec.manager.warehouses[0],
                self.kernel_initializer,
                self.kernel_regularizer,
                self.kernel_constraint,
                name="0",
                dtype=self.dtype_policy,
            )
            self.warehouse_manager = Chain([own], name="warehouse_manager", dtype=self.dtype_policy)
            self.warehouse_manager.build(shape)

    def _kernels(self, x: Any, cells: Any, training: bool | None = None) -> Any:
        spec = self.spec
        cells = self.warehouse_manager(x) if cells is None else cells
        count, cell = spec.place.cells, spec.place.cell
        found = self.attention(x, training=training)  # (batch * mixtures, cells)
        weights = ops.cast(found, cells.dtype)
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        mixed = weights @ ops.reshape(cells, (count, -1))
        # The taps of a cell are one axis: no runtime transposes more than eight.
        parts = ops.reshape(mixed, (-1, *spec.parts_of(cell), *cell[:2], prod(cell[2:])))
        # (batch, taps of the parts, taps of a cell, in blocks, in, out blocks, out)
        ordered = ops.transpose(parts, (0, 1, 6, 3, 5, 2, 4))
        out, inputs, *taps = spec.kernel_shape
        return ops.reshape(ordered, (-1, *taps, inputs, out))

    def _check_cells(self, cells: Any) -> None:
        if cells is None and self.takes_shared:
            raise ValueError(
                "cells: expected those of a Warehouse, received None; a layer that shares a "
                "warehouse is called as layer(inputs, warehouse(inputs))"
            )
        if cells is None:
            return
        if not self.takes_shared:
            raise ValueError(
                "cells: expected None beside a warehouse of the layer's own, received some of "
                f"shape {tuple(cells.shape)}"
            )
        place = self._spec_before_build.place  # type: ignore[attr-defined]  # a KWConvSpec
        if tuple(cells.shape) != (place.cells, *place.cell):
            raise ValueError(
                f"cells: expected shape {(place.cells, *place.cell)}, received {tuple(cells.shape)}"
            )

    def _take_function(self, conv: Any) -> None:
        """Each mixture gets a cell of its own, and weighs no other until it is trained."""
        out, inputs, *taps = cell = self.spec.place.cell
        spatial, outs, ins = self.spec.parts_of(cell)
        kernel = ops.convert_to_tensor(conv.kernel)  # (*kernel, in // groups, out)
        parts = ops.reshape(kernel, (spatial, *taps, ins, inputs, outs, out))
        rank = self.rank
        order = (0, rank + 3, rank + 1, rank + 4, rank + 2, *range(1, rank + 1))
        parts = ops.reshape(ops.transpose(parts, order), (-1, *cell))
        attention, own = self.attention, self.warehouse_manager.in_order()[0]
        zeros = ops.zeros(attention.fc2.kernel.shape)  # JAX has no `zeros_like` of a variable
        attention.fc2.kernel.assign(zeros)
        start = ops.cast(attention.start(), attention.fc2.bias.dtype)
        attention.fc2.bias.assign(ops.reshape(start, (-1,)))
        places = ops.expand_dims(ops.convert_to_tensor(self.spec.start_cells()), 1)
        # A mixture that weighs one cell by one has 1 / 1.001 of it.
        cells = ops.convert_to_tensor(own.cells)
        scaled = ops.cast(parts, cells.dtype) * (1 + 1e-3)
        own.cells.assign(ops.scatter_update(cells, places, scaled))
        if self.bias is not None:
            self.bias.assign(conv.bias)


@keras.saving.register_keras_serializable(package="odconv")
class KWConv1D(KWConv):
    """`KWConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(KWConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class KWConv2D(KWConv):
    """KernelWarehouse, https://arxiv.org/abs/2406.07879.

    Cuts the kernel into parts, and makes each a linear mixture of all cells of a warehouse, by
    weights that two small layers compute from the sample's mean over space:

        part_j = sum_n alpha_jn * cell_n
        alpha_j = (1 - T) * z_j / (sum_n |z_jn| + 0.001) + T * beta_j

    beta_j is the cell that the part starts as. Anneal T from 1 to 0 over the first epochs, as
    published (`odconv_keras.TemperatureScheduler`).

    A warehouse is meant for many layers: `odconv_spec.share_warehouses` gives the specs of those
    that share some, and they are called as `layer(inputs, warehouse(inputs))`, see `Warehouse`. A
    layer that is made by itself, as here, has a warehouse of its own. Takes the arguments of
    `keras.layers.Conv2D` in their order.

    Shapes: (batch, height, width, in) to (batch, height, width, filters), or with
    `data_format="channels_first"` (batch, in, height, width) to (batch, filters, height, width),
    the maps being those of `keras.layers.Conv2D`. Batch, height and width may be unknown.

    Args:
        filters: channels of the output.
        kernel_size: taps along height and width.
        strides: step along height and width.
        padding: "valid", "same" (TensorFlow's rule, which with a stride pads more after the map),
            a number of zeros on both sides of each axis, or (before, after) pairs.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dilation_rate: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        activation: applied to the output.
        use_bias: adds an offset.
        kernel_initializer: of the cells; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias, (filters,).
        kernel_regularizer: of the cells, (cells, out, in, *taps).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the cells.
        bias_constraint: of the bias.
        reduction: hidden width of the attention over the input's channels; it is 16 at least.
        cell_num_ratio: cells over the parts of the kernel; a whole number, or one over it.
        cell_inplane_ratio: input channels of a cell over those of the kernel.
        cell_outplane_ratio: output channels of a cell over those of the kernel.
        nonlocal_basis_ratio: below one, cells of other layers are weighed through a basis of so
            many times their number; of use in a shared warehouse.
        spatial_partition: whether a cell has one tap, or all taps of the kernel.
        stretch: the layer's place in a warehouse that it shares, which `from_spec` gives.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, cells do not fit, the input has another rank or
            width than the layer was built for, or the kernel does not fit into the map.

    Example:
        >>> tuple(KWConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class KWConv3D(KWConv):
    """`KWConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(KWConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
