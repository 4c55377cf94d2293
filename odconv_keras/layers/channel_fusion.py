"""What the layers with dynamic channel fusion share: phi and the scale, and what phi does."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.build_static import build_linear, build_norm
from odconv_keras.layers.chain import Chain
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.recalibration import uniform
from odconv_spec import DCDConvSpec, DCDLinearSpec, LinearSpec, NormSpec


@keras.saving.register_keras_serializable(package="odconv")
class DoubleHardSigmoid(keras.layers.Layer):
    """A sigmoid of straight lines from 0 to 2, with 1 at 0; of any shape.

    Example:
        >>> DoubleHardSigmoid()(keras.ops.array([-4.0, 0.0, 3.0])).tolist()
        [0.0, 1.0, 2.0]
    """

    def call(self, inputs: Any) -> Any:
        return ops.relu6(inputs + 3) / 3

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class SelfExcitation(keras.layers.Layer):
    """Scales a vector by factors from 0 to 2 that it computes from it: (batch, in) to the same."""

    def __init__(self, linear: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        gate = DoubleHardSigmoid(dtype=self.dtype_policy)
        self.fc = Chain([linear, gate], name="fc", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        self.fc.build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * self.fc(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class ChannelFusion(keras.layers.Layer):
    """A base class; its subclasses have the published names, so these layers are their own."""

    bn1: Any
    bn2: Any

    def _add_fusion(
        self, spec: DCDConvSpec | DCDLinearSpec, small: bool, zero_scale: bool = False
    ) -> None:
        """Adds the layers that compute phi and the scale, built.

        They start at normal(0, 0.01) if `small`, else as linear layers of PyTorch do; that of the
        scale at zero if so wished.
        """
        first, second, phi, scale = spec.fusion().values()
        build = build_linear if small else _usual_linear
        # Not in half precision, as the attentions of the other layers.
        options = {"dtype": self.variable_dtype}
        excitation = SelfExcitation(build(second, **options), **options)
        self.fc = Chain([build(first, **options), excitation], name="fc", **options)
        self.fc_phi = build(phi, name="fc_phi", **options)
        zero = {"kernel_initializer": "zeros"} if zero_scale else {}
        self.fc_scale = build(scale, name="fc_scale", **options, **zero)
        self.hs = DoubleHardSigmoid(name="hs", **options)
        self.fc.build((None, first.in_channels))
        for layer, linear in ((self.fc_phi, phi), (self.fc_scale, scale)):
            layer.build((None, linear.in_channels))

    def _add_norms(self, dim: int, rank: int) -> None:
        """Adds the norms of q, a map over `rank` axes, and of phi q, over one axis; both built."""
        for name, axes in (("bn1", rank), ("bn2", 1)):
            norm = build_norm(NormSpec(dim), name=name, dtype=self.dtype_policy)
            norm.build((None, *(None,) * axes, dim))
            setattr(self, name, norm)

    def _phi_and_scale(self, pooled: Any) -> tuple[Any, Any]:
        """(batch, dim, dim) and (batch, out), of (batch, pooled)."""
        hidden = self.fc(pooled)
        phi = ops.reshape(self.fc_phi(hidden), (-1, self.spec.dim, self.spec.dim))
        return phi, self.hs(self.fc_scale(hidden))

    def _fused(self, phi: Any, q: Any, training: bool | None) -> Any:
        """norm2(phi q) + q with q through its norm: (batch, *positions, dim) to the same."""
        q = self.bn1(q, training=training)
        shape = ops.shape(q)  # tensors among them if the graph knows no number
        flat = ops.reshape(q, (shape[0], prod(shape[1:-1]), shape[-1]))
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        product = flat @ ops.cast(ops.transpose(phi, (0, 2, 1)), flat.dtype)
        return ops.reshape(self.bn2(product, training=training), shape) + q


def _usual_linear(spec: LinearSpec, **options: Any) -> Linear:
    start = {"kernel_initializer": uniform(), **options}
    return Linear(spec.out_channels, use_bias=spec.bias, **start)
