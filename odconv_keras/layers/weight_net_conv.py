"""WeightNet layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.conv import conv_per_sample
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.precision import at_least_single, mean
from odconv_keras.layers.weight_net import Grouped, Reduce, conv_in_segments, kernels_of, normal
from odconv_spec import WeightNetConvSpec
from odconv_spec.geometry import whole

_NOISE = 0.1  # of what tells copies of a kernel apart, over the deviation of its taps


class _WeightNetConv(DynamicConv):
    spec_class = WeightNetConvSpec
    router: str
    head_init: str
    reduce: keras.layers.Layer | None
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
        multiplier: int = 2,
        fc_groups: int = 2,
        reduction: int = 16,
        min_channels: int = 16,
        hidden_channels: int | None = None,
        router: str = "own",
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
            multiplier=multiplier,
            fc_groups=fc_groups,
            reduction=reduction,
            min_channels=min_channels,
            hidden_channels=hidden_channels,
            router=router,
            head_init=head_init,
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
        # Of no width is known yet whether its taps fall into parts; this is one whose do.
        return whole("fc_groups", options["fc_groups"], 1) if groups == 1 else groups

    @property
    def takes_shared(self) -> bool:
        """Whether the layer is called with the vector that its block shares.

        Returns:
            True with router="shared".
        """
        return self.router == "shared"

    def call(self, inputs: Any, reduced: Any = None, training: bool | None = None) -> Any:
        self._check_reduced(reduced)
        x = self._channels_last(inputs)
        numbers = ops.cast(self._numbers(x, reduced), x.dtype)
        shape = self.spec.kernel_shape
        if self.spec.copies > 1:
            kernels = kernels_of(ops.cast(self.wn_fc2(numbers), x.dtype), shape)
            y = conv_per_sample(x, kernels, self.window)
        else:
            flat = ops.cast(ops.reshape(self.wn_fc2.kernel, (1, -1)), x.dtype)
            y = conv_in_segments(x, kernels_of(flat, shape)[0], numbers, self.window)
        return self._finished(y if self.bias is None else y + ops.cast(self.bias, y.dtype))

    def compute_output_spec(self, inputs: Any, reduced: Any = None, **kwargs: Any) -> Any:
        self._check_reduced(reduced)  # symbolic calls do not run `call`
        return super().compute_output_spec(inputs, **kwargs)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        if self.reduce is None:
            return {}
        numbers = self._numbers(self._channels_last(ops.convert_to_tensor(inputs)), None)
        return {"activation": numbers, "kernel": self.wn_fc2(numbers)}

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        if conv.bias is not None:
            shift = at_least_single(ops.convert_to_tensor(conv.bias)) * scale + shift
        own = 0 if conv.bias is None else 1
        for weight, source in zip(self.weights[1:], conv.weights[own:], strict=True):
            weight.assign(source)
        kernel = at_least_single(ops.convert_to_tensor(conv.wn_fc2.kernel))
        rows = ops.repeat(scale, kernel.shape[-1] // scale.shape[0])  # of each tap of each filter
        self.wn_fc2.kernel.assign(kernel * rows)
        self.bias.assign(shift)

    def save_own_variables(self, store: Any) -> None:
        if self.bias is not None:
            store["1"] = self.bias  # where other convolutions have it, behind their kernel

    def load_own_variables(self, store: Any) -> None:
        if self.bias is not None:
            self.bias.assign(store["1"])

    def _build_arrays(self, shape: Shape) -> None:
        spec = self.spec
        self.bias = self._add_bias() if self.use_bias else None
        with keras.RematScope(mode=None):  # the scope is for the layer as a whole
            # Not in half precision, as the attentions of the other layers.
            policy = {"dtype": self.variable_dtype}
            self.reduce = None
            if not self.takes_shared:
                self.reduce = Reduce.from_spec(spec.reduce(), name="reduce", **policy)
                self.reduce.build(shape)
            self.wn_fc1 = Grouped(spec.fc1(), normal(spec.fc1_deviation), name="wn_fc1", **policy)
            self.wn_fc1.build((shape[0], spec.vector_channels))
            self.wn_fc2 = Grouped(
                spec.fc2(),
                self.kernel_initializer or normal(spec.fc2_deviation),
                self.kernel_regularizer,
                self.kernel_constraint,
                name="wn_fc2",
                **policy,
            )
            self.wn_fc2.build((shape[0], spec.fc2().in_channels))

    def _take_function(self, conv: Any) -> None:
        """Where several numbers make a tap, what they multiply differs by a noise that cancels."""
        spec, rank = self.spec, self.rank
        out, inner, *taps = spec.kernel_shape
        kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
        kernel = ops.reshape(kernel, (*taps, inner, out))  # depthwise: (*kernel, in, multiplier)
        flat = ops.reshape(ops.transpose(kernel, (rank + 1, rank, *range(rank))), (1, -1))
        apart = keras.random.normal((spec.copies, flat.shape[1]), dtype=flat.dtype)
        apart = apart - mean(apart, [0], keepdims=True)  # of one copy nothing is left
        spread = ops.sqrt(mean(ops.square(flat - mean(flat, [0, 1])), [0, 1]))
        copies = flat / spec.copies + _NOISE * spread * apart
        self.wn_fc2.kernel.assign(ops.reshape(copies / spec.start_gain, self.wn_fc2.kernel.shape))
        if conv.use_bias:
            self.bias.assign(conv.bias)

    def _numbers(self, x: Any, reduced: Any) -> Any:
        """The numbers of each filter, (batch, filters * segments * copies)."""
        vector = reduced if self.reduce is None else self.reduce(x)
        return ops.sigmoid(at_least_single(self.wn_fc1(vector)))

    def _check_reduced(self, reduced: Any) -> None:
        if reduced is None and self.takes_shared:
            raise ValueError(
                "reduced: expected a vector (batch, hidden_channels), received None; "
                "router='shared' is called with that of a Reduce layer"
            )
        if reduced is None:
            return
        if not self.takes_shared:
            raise ValueError(
                f"reduced: expected None beside router='own', received a vector of shape "
                f"{tuple(reduced.shape)}; give router='shared' to a layer without its own reduce"
            )
        width = self.spec.vector_channels if self.built else reduced.shape[-1]
        if len(reduced.shape) != 2 or reduced.shape[-1] != width:
            raise ValueError(
                f"reduced: expected shape (batch, {width}), received {tuple(reduced.shape)}"
            )


@keras.saving.register_keras_serializable(package="odconv")
class WeightNetConv1D(_WeightNetConv):
    """`WeightNetConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(WeightNetConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class WeightNetConv2D(_WeightNetConv):
    """WeightNet, https://arxiv.org/abs/2007.11823, as in https://github.com/megvii-model/WeightNet.

    Two small layers make the kernel of each sample from its mean over space:

        kernel = wn_fc2(sigmoid(wn_fc1(reduce(mean(x)))))

    `wn_fc2` works in groups: the taps of each filter are cut into `fc_groups` parts, and each part
    is made of multiplier / fc_groups of the filter's numbers. Where there is one number for a part,
    as published, a part is a static kernel times that number, so that ordinary convolutions compute
    the layer, whatever the batch; the kernel of a sample is only made where there are several. With
    as many groups as channels it is the published form for depthwise convolutions.

    Takes the arguments of `keras.layers.Conv2D` in their order. There is no temperature. With
    `router="shared"` the layer is called as `layer(inputs, reduced)`, with the vector (batch,
    hidden_channels) of a `Reduce`.

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
        groups: 1, or the number of channels of both input and output.
        activation: applied to the output.
        use_bias: adds an offset.
        kernel_initializer: of what `wn_fc2` makes kernels of; None is the published start.
        bias_initializer: of the bias, (filters,).
        kernel_regularizer: of the kernel of `wn_fc2`.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the kernel of `wn_fc2`.
        bias_constraint: of the bias.
        multiplier: numbers of each filter, M in the paper; a multiple of `fc_groups`.
        fc_groups: parts of each filter's taps, G in the paper; divides in_channels * taps.
        reduction: channels over the width of the vector, which is rounded down.
        min_channels: the least width of the vector.
        hidden_channels: the width of the vector itself.
        router: "own", or "shared" where one `Reduce` serves several layers.
        head_init: "published" starts `wn_fc1` as the published code does, "zero" with all numbers
            at a half.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map; the vector is missing,
            superfluous or of a wrong shape.

    Example:
        >>> tuple(WeightNetConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
        >>> x = keras.ops.ones((1, 8, 9, 16))
        >>> shared = WeightNetConv2D(32, 3, router="shared", hidden_channels=8)
        >>> tuple(shared(x, Reduce(8)(x)).shape)
        (1, 6, 7, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class WeightNetConv3D(_WeightNetConv):
    """`WeightNetConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(WeightNetConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
