"""Convolutions with weight excitation for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.conv import conv
from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.excitation import Excitation, standardized, stretched, unstretched
from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.precision import at_least_single, mean
from odconv_keras.layers.static_conv import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_spec import WEConvSpec

_STATIC: tuple[Any, ...] = (StaticConv1D, StaticConv2D, StaticConv3D)  # by rank - 1


class _WEConv(DynamicConv):
    spec_class = WEConvSpec
    kernel: Any
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
        standardize: bool = False,
        location: bool = True,
        magnitude: bool = False,
        reduction: int = 16,
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
            standardize=standardize,
            location=location,
            magnitude=magnitude,
            reduction=reduction,
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
        return 2 * groups  # a filter of a single weight cannot be standardised

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self._channels_last(inputs)
        y = conv(x, ops.cast(self.excited_kernel(), x.dtype), self.window)
        return self._finished(y if self.bias is None else y + self.bias)

    def excited_kernel(self) -> Any:
        """The kernel that meets the map, (*kernel, in // groups, out).

        Returns:
            The kernel in single precision at least, the same for all samples.
        """
        weight = at_least_single(ops.convert_to_tensor(self.kernel))
        if self.standardize:
            weight = standardized(weight)
        if self.location:
            weight = weight * self._factors(weight)
        return stretched(weight) if self.magnitude else weight

    def attentions(self, inputs: Any) -> dict[str, Any]:
        """None: the kernel depends on no sample. See `excited_kernel`."""
        return {}

    def to_static(self) -> keras.layers.Layer:
        """The convolution of Keras with the kernel that this layer makes of its weight.

        It computes the same without making the kernel anew in each call, and can be exported or
        quantised as any other. Trained further, it is no longer this layer.

        Returns:
            A built layer of a subclass of `keras.layers.Conv2D` that knows padding by number.

        Example:
            >>> layer, x = WEConv2D(32, 3), keras.random.normal((1, 8, 9, 16))
            >>> y = layer(x)
            >>> float(keras.ops.max(keras.ops.abs(layer.to_static()(x) - y))) < 1e-5
            True
        """
        return self._static(self.excited_kernel(), self.bias)

    def folded(self, scale: Any, shift: Any) -> keras.layers.Layer:
        """The static convolution that computes y * scale + shift where this one computes y.

        No weight would do, because what is made of it is not proportional to it.
        """
        self.spec.fused(scale.shape[0])  # which checks the channels
        bias = shift
        if self.bias is not None:
            bias = at_least_single(ops.convert_to_tensor(self.bias)) * scale + shift
        return self._static(self.excited_kernel() * scale, bias)

    def _build_arrays(self, shape: Shape) -> None:
        spec = self.spec
        out, inputs, *taps = spec.kernel_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*taps, inputs, out),
            initializer=self.kernel_initializer or kaiming_normal(),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias() if self.use_bias else None
        if spec.location:
            with keras.RematScope(mode=None):  # the scope is for the layer as a whole
                self._build_location()

    def _build_location(self) -> None:
        spec, ones = self.spec, (1,) * self.rank
        first, second = spec.fc1(), spec.fc2()
        # In half precision the factors would be rounded.
        self.fc1 = Excitation(first, name="fc1", dtype=self.variable_dtype)
        self.fc1.build((None, *ones, first.in_channels))
        self.fc2 = Excitation(second, spec.head_init, name="fc2", dtype=self.variable_dtype)
        self.fc2.build((None, *ones, second.in_channels))

    def _factors(self, weight: Any) -> Any:
        """LWE: a factor for each input channel of each filter, (in // groups, out)."""
        out, inputs, *taps = self.spec.kernel_shape
        means = ops.transpose(mean(weight, tuple(range(len(taps)))))  # (out, in // groups)
        samples = ops.reshape(means, (out, *(1 for _ in taps), inputs))
        logits = self.fc2(ops.relu(self.fc1(samples)))  # (out, *ones, in // groups)
        factors = ops.sigmoid(at_least_single(ops.reshape(logits, (out, inputs))))
        return ops.transpose(factors)

    def _take_function(self, conv: Any) -> None:
        """The factors of `location` are one half; the weight undoes them and `magnitude`."""
        kernel = at_least_single(ops.convert_to_tensor(conv.kernel))
        kernel = ops.reshape(kernel, self.kernel.shape)  # depthwise: (*kernel, in, multiplier)
        kernel = unstretched(kernel) if self.magnitude else kernel
        self.kernel.assign(2 * kernel if self.location else kernel)
        if conv.use_bias:
            self.bias.assign(conv.bias)

    def _static(self, kernel: Any, bias: Any) -> keras.layers.Layer:
        """A built convolution of Keras with the geometry of this layer."""
        static = _STATIC[self.rank - 1](
            self.filters,
            self.kernel_size,
            self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
            activation=self.activation,
            use_bias=bias is not None,
            name=self.name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        static.build(shape_of_any_size(self.spec.in_channels, self.rank, self.data_format))
        static.kernel.assign(kernel)
        if bias is not None:
            static.bias.assign(bias)
        return static


@keras.saving.register_keras_serializable(package="odconv")
class WEConv1D(_WEConv):
    """`WEConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(WEConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class WEConv2D(_WEConv):
    """Weight excitation, of "Weight Excitation: Built-in Attention Mechanisms in Convolutional
    Neural Networks" (ECCV 2020).

    Makes the kernel of its weight in each call, the same for all samples, so that a batch is one
    ordinary convolution. In this order, and each an option:

        standardize: w = (w - mean(w)) / (std(w) + 1e-5) over each filter
        location:    w = w * sigmoid(fc2(relu(fc1(mean of w over the taps)))), for each filter
        magnitude:   w = M * arctanh(w / M) with M = 1.1 * max |w|

    No code of the authors is public. This follows
    https://github.com/Ridwan230/pytorch-classification-weight-excitation, which is unofficial and
    whose latest version has `location` alone; but `magnitude` acts from the first call on, while it
    is left out there in the first call of each process. Takes the arguments of
    `keras.layers.Conv2D` in their order; `to_static` gives the convolution for inference.

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
        use_bias: adds a bias, which is left as it is.
        kernel_initializer: of the weight; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias.
        kernel_regularizer: of the weight, (height, width, in // groups, out).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the weight.
        bias_constraint: of the bias.
        standardize: weight standardisation.
        location: location-based excitation, LWE.
        magnitude: magnitude-based excitation, MWE.
        reduction: channels of the input over the hidden width of LWE, which is rounded down, to 1
            at least.
        head_init: "published" starts the second layer of LWE as PyTorch does, "zero" makes its
            factors one half.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, or an input has other axes or channels.

    Example:
        >>> tuple(WEConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class WEConv3D(_WEConv):
    """`WEConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(WEConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
