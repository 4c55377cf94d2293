"""DyConv layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.dy_attention import DyAttention
from odconv_keras.layers.dynamic import Shape
from odconv_keras.layers.functional import mixed_conv_in_window
from odconv_keras.layers.kernel_bank import KernelBank
from odconv_spec import DyConvSpec


class _DyConv(KernelBank):
    spec_class = DyConvSpec

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
        kernel_num: int = 4,
        reduction: float = 0.25,
        hidden_rule: str = "paper",
        hidden_channels: int | None = None,
        fc1_bias: bool = False,
        fc2_bias: bool = True,
        head_init: str = "zero",
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
            kernel_num=kernel_num,
            reduction=reduction,
            hidden_rule=hidden_rule,
            hidden_channels=hidden_channels,
            fc1_bias=fc1_bias,
            fc2_bias=fc2_bias,
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

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = self._channels_last(inputs)
        return self._convolved(mixed_conv_in_window, x, self.attention(x))

    def _build_attention(self, shape: Shape) -> None:
        # A softmax in half precision would not add up to one.
        self.attention = DyAttention(self.spec, name="attention", dtype=self.variable_dtype)
        self.attention.build(shape)


@keras.saving.register_keras_serializable(package="odconv")
class DyConv1D(_DyConv):
    """`DyConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(DyConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class DyConv2D(_DyConv):
    """Dynamic convolution, https://arxiv.org/abs/1912.03458.

    Mixes `kernel_num` kernels and biases for each sample by a softmax over two layers on the
    sample's mean over space. Takes the arguments of `keras.layers.Conv2D` in their order. Strides
    beside dilations work on every backend, and so do groups.

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
        use_bias: adds an offset that is mixed like the kernels.
        kernel_initializer: of each of the kernels; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias, (kernel_num, filters).
        kernel_regularizer: of the bank of kernels, (kernel_num, height, width, in // groups, out).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the bank of kernels.
        bias_constraint: of the bias.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over the channels of the input.
        hidden_rule: "paper" is int(in * reduction), at least 1; "plus_one", of circulating
            checkpoints, is int(in * reduction) + 1, or `kernel_num` for an input of 3 channels.
        hidden_channels: hidden width, overrules both.
        fc1_bias: whether the first layer of the attention has a bias.
        fc2_bias: whether the second one has.
        head_init: "zero" starts with equal shares, "published" with Kaiming normal logits.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map.

    Example:
        >>> tuple(DyConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class DyConv3D(_DyConv):
    """`DyConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(DyConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
