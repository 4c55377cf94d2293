"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.attention import Attentions, ODAttention
from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.dynamic import Shape
from odconv_keras.layers.functional import od_conv_in_window
from odconv_keras.layers.kernel_bank import KernelBank
from odconv_spec import ODConvSpec
from odconv_spec.od_conv import ATTENTIONS


class _ODConv(KernelBank):
    spec_class = ODConvSpec

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
        kernel_num: int = 4,
        reduction: float = 0.0625,
        min_channels: int = 16,
        head_init: str = "zero",
        attentions: Sequence[str] = ATTENTIONS,
        spatial_activation: str = "sigmoid",
        attention_sharing: bool = True,
        norm: str = "batch",
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
            min_channels=min_channels,
            head_init=head_init,
            attentions=attentions,
            spatial_activation=spatial_activation,
            attention_sharing=attention_sharing,
            norm=norm,
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
        if self.attention is None:
            attentions = Attentions(None, None, None, None)
        else:
            attentions = self.attention(x, training=training)
        return self._convolved(od_conv_in_window, x, attentions)

    def _build_attention(self, shape: Shape) -> None:
        self.attention = None
        if self.spec.heads():
            # Not in half precision: its norm would amplify the rounding of the few means it sees.
            self.attention = ODAttention(self.spec, name="attention", dtype=self.variable_dtype)
            self.attention.build(shape)


@keras.saving.register_keras_serializable(package="odconv")
class ODConv1D(_ODConv):
    """`ODConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(ODConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class ODConv2D(_ODConv):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    Mixes `kernel_num` kernels for each sample and scales their taps, input channels and output
    channels, all by attentions computed from the sample itself. Takes the arguments of
    `keras.layers.Conv2D` in their order; the published layer has no bias, so `use_bias` is off by
    default. Strides beside dilations work on every backend, and so do groups.

    With a batch of one value per channel in training, the attention's batch norm uses its running
    statistics and leaves them alone.

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
        use_bias: adds a learnt offset after the filter attention.
        kernel_initializer: of each of the kernels; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias.
        kernel_regularizer: of the bank of kernels, (kernel_num, height, width, in // groups, out).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the bank of kernels.
        bias_constraint: of the bias.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over the channels of the input.
        min_channels: the least hidden width.
        head_init: "zero" starts as a plain convolution, which is what trains on small data;
            "published" is the Kaiming normal start of the official code.
        attentions: which of "channel", "filter", "spatial" and "kernel" exist; several kernels
            need the last. A layer without any is a static convolution.
        spatial_activation: "sigmoid", or "softmax" over the taps.
        attention_sharing: whether all kernels share their channel, filter and spatial attention;
            otherwise each has its own.
        norm: of the attention's hidden layer, "batch", "layer" or "none".
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map.

    Example:
        >>> tuple(ODConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class ODConv3D(_ODConv):
    """`ODConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(ODConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
