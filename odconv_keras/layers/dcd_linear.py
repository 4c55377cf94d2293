"""A linear layer with dynamic channel fusion."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.build_static import build_linear
from odconv_keras.layers.channel_fusion import ChannelFusion
from odconv_keras.layers.precision import at_least_single, unquantised
from odconv_spec import DCDLinearSpec


@keras.saving.register_keras_serializable(package="odconv")
class DCDLinear(ChannelFusion):
    """A linear layer with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The classifier of networks with `DCDConv2D`. The output of a linear layer is scaled, and a
    product of low rank is added, whose channels a matrix phi fuses:

        y = scale * (W x + bias) + P t,   t = norm2(phi q) + q,   q = norm1(Q x)

    Shapes: (batch, in) to (batch, units). A batch of one trains, on the running statistics of the
    norms. All layers start at normal(0, 0.01), as in the published MobileNetV2.

    Args:
        units: width of the output.
        use_bias: whether the linear layer has one.
        dim: width of q.
        squeeze: hidden width of the layers that compute phi and the scale.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, or the input has another shape.

    Example:
        >>> tuple(DCDLinear(10)(keras.ops.ones((2, 64))).shape)
        (2, 10)
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        *,
        dim: int = 32,
        squeeze: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        unquantised(self)
        spec = DCDLinearSpec(1, units, use_bias, dim, squeeze)  # `build` knows the width
        self.units, self.use_bias = spec.out_channels, spec.bias
        self.dim, self.squeeze = spec.dim, spec.squeeze
        self.input_spec = keras.InputSpec(ndim=2)

    @classmethod
    def from_spec(cls, spec: DCDLinearSpec, **kwargs: Any) -> DCDLinear:
        """The layer that `spec` describes, not built yet.

        Args:
            spec: all options of the layer.
            **kwargs: `name`, `dtype` and `trainable`.

        Returns:
            The layer, whose arrays its first call makes.

        Example:
            >>> layer = DCDLinear.from_spec(DCDLinearSpec(64, 10))
            >>> tuple(layer(keras.ops.ones((2, 64))).shape)
            (2, 10)
        """
        return cls(spec.out_channels, spec.bias, dim=spec.dim, squeeze=spec.squeeze, **kwargs)

    def build(self, input_shape: Any) -> None:
        width, options = input_shape[-1], {"dtype": self.dtype_policy}
        spec = DCDLinearSpec(width, self.units, self.use_bias, self.dim, self.squeeze)
        self.spec: Any = spec
        self.input_spec = keras.InputSpec(ndim=2, axes={-1: width})
        self.cls = build_linear(spec.cls(), name="cls", **options)
        self.cls_q = build_linear(spec.q(), name="cls_q", **options)
        self.cls_p = build_linear(spec.p(), name="cls_p", **options)
        for layer, inputs in ((self.cls, width), (self.cls_q, width), (self.cls_p, spec.dim)):
            layer.build((None, inputs))
        self._add_fusion(spec, small=True)
        self._add_norms(spec.dim, rank=0)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """What the layer computes from an input (batch, in).

        Returns:
            "phi", (batch, dim, dim), and "scale", (batch, units).
        """
        phi, scale = self._phi_and_scale(at_least_single(ops.convert_to_tensor(inputs)))
        return {"phi": phi, "scale": scale}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        phi, scale = self._phi_and_scale(at_least_single(inputs))
        low_rank = self.cls_p(self._fused(phi, self.cls_q(inputs), training))
        y = self.cls(inputs)
        return low_rank + y * ops.cast(scale, y.dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("units", "use_bias", "dim", "squeeze")}
        return super().get_config() | own
