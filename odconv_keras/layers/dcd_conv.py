"""Convolutions with dynamic channel fusion for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.build_static import build_static_conv
from odconv_keras.layers.channel_fusion import ChannelFusion
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.padding import pad
from odconv_keras.layers.pooling import adaptive_mean, global_mean
from odconv_keras.layers.precision import at_least_single
from odconv_spec import DCDConvSpec

_AMPLE = 1 << 20  # channels, of which any fc_squeeze leaves a hidden width


class _DCDConv(ChannelFusion, DynamicConv):
    spec_class = DCDConvSpec
    form: str
    head_init: str

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
        use_bias: bool = False,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        form: str = "basic",
        fc_squeeze: int = 16,
        head_init: str = "published",
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
            form=form,
            fc_squeeze=fc_squeeze,
            head_init=head_init,
        )
        DynamicConv.__init__(
            self,
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
        return groups * _AMPLE

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self._channels_last(inputs)
        phi, scale = self._phi_and_scale(self._pooled(x))
        q = getattr(self, self.spec.q_path)(self._centre(x))
        low_rank = getattr(self, self.spec.p_path)(self._fused(phi, q, training))
        y = self.conv(x)
        scale = ops.expand_dims(ops.cast(scale, y.dtype), tuple(range(1, self.rank + 1)))
        return self._finished(low_rank + y * scale)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        x = self._channels_last(ops.convert_to_tensor(inputs))
        phi, scale = self._phi_and_scale(self._pooled(x))
        return {"phi": phi, "scale": scale}

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        p, others = self.spec.p_path, ("bn1", "bn2", "fc", "fc_phi", "fc_scale", self.spec.q_path)
        for path in others:
            getattr(self, path).set_weights(getattr(conv, path).get_weights())
        for path in ("conv", p):
            kernel = at_least_single(ops.convert_to_tensor(getattr(conv, path).kernel))
            getattr(self, path).kernel.assign(kernel * scale)
        bias = getattr(conv, p).bias
        if bias is not None:
            shift = at_least_single(ops.convert_to_tensor(bias)) * scale + shift
        getattr(self, p).bias.assign(shift)

    def _build_arrays(self, shape: Shape) -> None:
        spec, options = self.spec, {"dtype": self.dtype_policy}
        any_size = (None,) * self.rank
        self.conv = build_static_conv(
            spec.conv(),
            name="conv",
            kernel_initializer=self.kernel_initializer or kaiming_normal(),
            kernel_regularizer=self.kernel_regularizer,
            kernel_constraint=self.kernel_constraint,
            **options,
        )
        q = build_static_conv(spec.q(), name=spec.q_path, **options)
        zero = spec.head_init == "zero"
        p = build_static_conv(
            spec.p(),
            name=spec.p_path,
            bias_initializer=self.bias_initializer,
            bias_regularizer=self.bias_regularizer,
            bias_constraint=self.bias_constraint,
            **({"kernel_initializer": "zeros"} if zero else {}),
            **options,
        )
        for path, layer, width in (
            ("conv", self.conv, spec.in_channels),
            (spec.q_path, q, spec.in_channels),
            (spec.p_path, p, spec.dim),
        ):
            layer.build((None, *any_size, width))
            setattr(self, path, layer)
        self._add_norms(spec.dim, self.rank)
        # The published MobileNetV2 starts all of its linear layers small, ResNets do not.
        self._add_fusion(spec, spec.form == "inverted", zero)

    def _take_function(self, conv: Any) -> None:
        """The product of low rank is zero, and the scale one."""
        kernel = ops.convert_to_tensor(conv.kernel)
        # Of a depthwise convolution (*kernel, in, multiplier).
        self.conv.kernel.assign(ops.reshape(kernel, self.conv.kernel.shape))
        if conv.use_bias:
            getattr(self, self.spec.p_path).bias.assign(ops.convert_to_tensor(conv.bias))

    def _pooled(self, x: Any) -> Any:
        """(batch, pooled), in the order of the published code: channels before positions."""
        spec, x = self.spec, at_least_single(x)
        if spec.pool == 1:
            return global_mean(x)
        means = adaptive_mean(x, (spec.pool,) * self.rank)  # (batch, *pools, channels)
        first = ops.transpose(means, (0, self.rank + 1, *range(1, self.rank + 1)))
        return ops.reshape(first, (-1, spec.pooled))

    def _centre(self, x: Any) -> Any:
        """The positions that the centre of the kernel sees, before strides."""
        if self.spec.centred:
            return x
        places = [slice(before, -after or None) for before, after in self.spec.beside_centre]
        return pad(x, self.window)[(slice(None), *places)]


@keras.saving.register_keras_serializable(package="odconv")
class DCDConv1D(_DCDConv):
    """`DCDConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(DCDConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class DCDConv2D(_DCDConv):
    """A convolution with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The output of a static convolution is scaled, and a product of low rank is added, whose
    channels a matrix phi fuses; the scale and phi are computed from means over the sample:

        y = scale * conv(x) + P t + bias,   t = norm2(phi q) + q,   q = norm1(Q x)

    No sample has a kernel of its own: these are ordinary convolutions of the whole batch. Takes the
    arguments of `keras.layers.Conv2D` in their order; the published layer has no bias, so
    `use_bias` is off by default. There is no temperature. Arrays have the names of
    https://github.com/liyunsheng13/dcd.

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
        groups: number of groups of channels of the static convolution; divides both widths.
        activation: applied to the output.
        use_bias: adds an offset, that of P.
        kernel_initializer: of the static kernel; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias.
        kernel_regularizer: of the static kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the static kernel.
        bias_constraint: of the bias.
        form: "basic" reads means over four windows, "bottleneck" one mean, "inverted" four where
            the output is wider; each has its own rule for the rank, see `odconv_spec.DCDConvSpec`.
        fc_squeeze: what is read over the hidden width of the layers that compute phi and the scale.
        head_init: "published", or "zero", which starts as the static convolution alone.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map.

    Example:
        >>> tuple(DCDConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class DCDConv3D(_DCDConv):
    """`DCDConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(DCDConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
