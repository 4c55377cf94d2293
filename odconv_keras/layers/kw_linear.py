"""A linear layer of KernelWarehouse."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.kw_conv import KWConv1D
from odconv_keras.layers.precision import unquantised
from odconv_spec import KWLinearSpec

_RATIOS = ("reduction", "cell_num_ratio", "cell_inplane_ratio", "cell_outplane_ratio")


@keras.saving.register_keras_serializable(package="odconv")
class KWLinear(keras.layers.Layer):
    """A linear layer of KernelWarehouse, https://arxiv.org/abs/2406.07879.

    The classifier of the MobileNetV2 of 1/2x. A `KWConv1D` of one position: the weight of each
    sample is put together of mixtures of cells, which are the layer's own.

    Shapes: (batch, in) to (batch, units). A batch of one trains, on the running statistics of the
    attention's norm.

    Args:
        units: width of the output.
        use_bias: adds a bias (units,).
        reduction: hidden width of the attention over that of the input; it is 16 at least.
        cell_num_ratio: cells over the parts of the weight; a whole number, or one over it.
        cell_inplane_ratio: input channels of a cell over those of the layer.
        cell_outplane_ratio: output channels of a cell over `units`.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, cells do not fit, or the input has another shape.

    Example:
        >>> tuple(KWLinear(10)(keras.ops.ones((2, 64))).shape)
        (2, 10)
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        *,
        reduction: float = 0.0625,
        cell_num_ratio: float = 1.0,
        cell_inplane_ratio: float = 1.0,
        cell_outplane_ratio: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        unquantised(self)
        self.units, self.use_bias = units, use_bias
        self.reduction, self.cell_num_ratio = reduction, cell_num_ratio
        self.cell_inplane_ratio = cell_inplane_ratio
        self.cell_outplane_ratio = cell_outplane_ratio
        self.input_spec = keras.InputSpec(ndim=2)

    @classmethod
    def from_spec(cls, spec: KWLinearSpec, **kwargs: Any) -> KWLinear:
        """The layer that `spec` describes, not built yet.

        Args:
            spec: all options of the layer.
            **kwargs: `name`, `dtype` and `trainable`.

        Returns:
            The layer, whose arrays its first call makes.

        Example:
            >>> layer = KWLinear.from_spec(KWLinearSpec(64, 10))
            >>> tuple(layer(keras.ops.ones((2, 64))).shape)
            (2, 10)
        """
        ratios = {name: getattr(spec, name) for name in _RATIOS}
        return cls(spec.out_channels, spec.bias, **ratios, **kwargs)

    def build(self, input_shape: Any) -> None:
        width, ratios = input_shape[-1], {name: getattr(self, name) for name in _RATIOS}
        self.spec: Any = KWLinearSpec(width, self.units, self.use_bias, **ratios)
        self.input_spec = keras.InputSpec(ndim=2, axes={-1: width})
        self.conv = KWConv1D.from_spec(
            self.spec.conv, data_format="channels_last", name="conv", dtype=self.dtype_policy
        )
        self.conv.build((None, 1, width))

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """The weights of the cells in each part of each sample's weight, for an input (batch, in).

        Returns:
            "mixture", (batch * mixtures, cells).
        """
        return self.conv.attentions(ops.expand_dims(inputs, 1))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return ops.squeeze(self.conv(ops.expand_dims(inputs, 1), training=training), 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("units", "use_bias", *_RATIOS)}
        return super().get_config() | own
