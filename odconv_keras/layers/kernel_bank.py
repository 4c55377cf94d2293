"""What ODConv, DyConv and CondConv share: the bank of kernels."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import keras
from keras import ops

from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.dynamic import DynamicConv, Shape
from odconv_keras.layers.from_static import copy_function, layer_like, static_spec
from odconv_keras.layers.init import PerExpert, kaiming_normal
from odconv_keras.layers.precision import at_least_single
from odconv_spec import KernelBankSpec

Made = TypeVar("Made", bound="KernelBank")


class KernelBank(DynamicConv):
    """A convolution whose kernel is a mixture of `kernel_num` kernels, another for each sample.

    A subclass names its spec, builds what weighs the kernels, and mixes them.

    Example:
        >>> isinstance(ODConv2D(32, 3), KernelBank)
        True
    """

    spec_class: ClassVar[type[KernelBankSpec]]
    head_init: str
    kernel: Any
    bias: Any

    @classmethod
    def from_static(cls: type[Made], conv: Any, *, noise: float = 0.1, **options: Any) -> Made:
        """A layer that computes what `conv` computes, at the start and at any temperature.

        It has the geometry, the bias, the activation, the regularizers, the name and the dtype of
        `conv`. Its kernels differ by a noise that cancels in their mixture: equal kernels would
        receive equal gradients and stay equal for ever.

        Args:
            conv: a built `keras.layers.Conv1D`, `Conv2D`, `Conv3D` or depthwise convolution.
            noise: standard deviation of the kernels' difference over that of the kernel's values.
            **options: those of this layer that are no geometry, such as `kernel_num`, and `name`.

        Raises:
            ValueError: `conv` is no plain convolution over as many axes, has no weights yet or has
                constraints; an option is unknown; `head_init` is not "zero".
        """
        layer: Made = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        width = static_spec(conv).in_channels
        layer.build(shape_of_any_size(width, layer.rank, layer.data_format))
        layer.spec.check_static_start()
        copy_function(layer, conv, noise)
        return layer

    def _take_function(self, conv: Any) -> None:
        copy_function(self, conv, noise=0.1)

    def attentions(self, inputs: Any) -> dict[str, Any]:
        mixer = getattr(self, self.spec.mixer)
        if mixer is None:
            return {}
        found = mixer(self._channels_last(ops.convert_to_tensor(inputs)))
        table = found._asdict() if hasattr(found, "_asdict") else {"kernel": found}
        return {name: value for name, value in table.items() if value is not None}

    def fold(self, conv: Any, scale: Any, shift: Any) -> None:
        self.kernel.assign(at_least_single(ops.convert_to_tensor(conv.kernel)) * scale)
        if conv.bias is not None:
            shift = at_least_single(ops.convert_to_tensor(conv.bias)) * scale + shift
        self.bias.assign(ops.broadcast_to(shift, self.bias.shape))
        own = 1 if conv.bias is None else 2
        for weight, source in zip(self.weights[2:], conv.weights[own:], strict=True):
            weight.assign(source)  # those of the attention

    def _build_arrays(self, shape: Shape) -> None:
        out, inputs, *taps = self.spec.kernel_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.spec.kernel_num, *taps, inputs, out),
            initializer=PerExpert(self.kernel_initializer or kaiming_normal()),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias() if self.use_bias else None
        with keras.RematScope(mode=None):  # the scope is for the layer as a whole
            self._build_attention(shape)

    def _build_attention(self, shape: Shape) -> None:
        """Creates what weighs the kernels, for inputs of `shape` with channels last."""
        raise NotImplementedError

    def _convolved(self, convolution: Any, x: Any, mixing: Any) -> Any:
        """The output, of x with channels last, by a function of `layers/functional.py`."""
        y = convolution(x, self.kernel, mixing, self.bias, self.window)
        return self._finished(y)
