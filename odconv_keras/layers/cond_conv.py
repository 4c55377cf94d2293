"""CondConv layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.layers.attributes import Padding, Size
from odconv_keras.layers.build_static import build_routing
from odconv_keras.layers.dynamic import Shape
from odconv_keras.layers.functional import mixed_conv_in_window
from odconv_keras.layers.kernel_bank import KernelBank
from odconv_spec import CondConvSpec


class _CondConv(KernelBank):
    spec_class = CondConvSpec
    kernel_num: int
    router: str
    routing: keras.layers.Layer | None

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
        kernel_num: int = 8,
        head_init: str = "published",
        router: str = "own",
        mix_bias: bool = True,
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
            head_init=head_init,
            router=router,
            mix_bias=mix_bias,
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

    @property
    def takes_shared(self) -> bool:
        """Whether the layer is called with routing weights.

        Returns:
            True with router="shared".
        """
        return self.router == "shared"

    def call(self, inputs: Any, routing: Any = None, training: bool | None = None) -> Any:
        self._check_routing(routing)
        x = self._channels_last(inputs)
        weights = routing if self.routing is None else self.routing(x)  # (batch, kernel_num)
        return self._convolved(mixed_conv_in_window, x, weights)

    def compute_output_spec(self, inputs: Any, routing: Any = None, **kwargs: Any) -> Any:
        self._check_routing(routing)  # symbolic calls do not run `call`
        return super().compute_output_spec(inputs, **kwargs)

    def _build_attention(self, shape: Shape) -> None:
        self.routing = None
        if not self.takes_shared:
            # Not in half precision, as the attentions of the other layers.
            self.routing = build_routing(
                self.spec.routing(), name="routing", dtype=self.variable_dtype
            )
            self.routing.build(shape)

    def _check_routing(self, routing: Any) -> None:
        if routing is None and self.takes_shared:
            raise ValueError(
                f"routing: expected weights (batch, {self.kernel_num}), received None; router="
                f"'shared' is called with those of a Routing({self.kernel_num}) layer"
            )
        if routing is None:
            return
        if not self.takes_shared:
            raise ValueError(
                f"routing: expected None beside router='own', received weights of shape "
                f"{tuple(routing.shape)}; give router='shared' to a layer without its own router"
            )
        if len(routing.shape) != 2 or routing.shape[-1] != self.kernel_num:
            raise ValueError(
                f"routing: expected shape (batch, {self.kernel_num}), received "
                f"{tuple(routing.shape)}"
            )


@keras.saving.register_keras_serializable(package="odconv")
class CondConv1D(_CondConv):
    """`CondConv2D` over one axis: (batch, steps, in) to (batch, steps, filters).

    Example:
        >>> tuple(CondConv1D(32, 3, padding="same")(keras.ops.ones((1, 9, 16))).shape)
        (1, 9, 32)
    """

    rank = 1


@keras.saving.register_keras_serializable(package="odconv")
class CondConv2D(_CondConv):
    """Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971.

    Mixes `kernel_num` kernels and biases for each sample by routing weights: a sigmoid of one
    linear layer on the sample's mean over space. There is no temperature. Takes the arguments of
    `keras.layers.Conv2D` in their order. Strides beside dilations work on every backend, and so do
    groups.

    With `router="shared"` the layer has no router and is called as `layer(inputs, routing)`, with
    routing weights (batch, kernel_num) that are already through the sigmoid; see `Routing`.

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
        kernel_initializer: of each of the kernels; None is Kaiming normal over the fan-out.
        bias_initializer: of the bias, (kernel_num, filters), or (filters,) without `mix_bias`.
        kernel_regularizer: of the bank of kernels, (kernel_num, height, width, in // groups, out).
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the bank of kernels.
        bias_constraint: of the bias.
        kernel_num: number of kernels that are mixed.
        head_init: "published" starts the router as Keras starts a linear layer, "zero" at equal
            weights.
        router: "own", or "shared" where the weights of a block's router are given.
        mix_bias: whether each kernel has its own bias, mixed like the kernels.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, the input has another rank or width than the layer
            was built for, or the kernel does not fit into the map; routing weights
            are missing, superfluous or of a wrong shape.

    Example:
        >>> tuple(CondConv2D(32, 3, padding="same")(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 8, 9, 32)
    """

    rank = 2


@keras.saving.register_keras_serializable(package="odconv")
class CondConv3D(_CondConv):
    """`CondConv2D` over three axes: (batch, depth, height, width, in).

    Example:
        >>> tuple(CondConv3D(32, 3, padding="same")(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 7, 8, 9, 32)
    """

    rank = 3
