"""What ODConv, DyConv and CondConv share: the bank of kernels."""

from __future__ import annotations

from typing import Any, TypeVar

import paddle
from paddle import nn
from paddle.nn.initializer import Constant

from odconv_paddle.layers.dynamic import Attr, DynamicConv
from odconv_paddle.layers.from_static import copy_function, layer_like
from odconv_paddle.layers.init import kaiming_normal
from odconv_spec import KernelBankSpec

Layer = TypeVar("Layer", bound="KernelBank")


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class KernelBank(DynamicConv):
    """A bank of kernels (kernel_num, out, in // groups, *kernel) that each sample mixes.

    Example:
        >>> isinstance(ODConv2D(16, 32, 3), KernelBank)
        True
    """

    spec: KernelBankSpec
    bias: paddle.Tensor | None

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        spec = self.spec
        self.weight = self.create_parameter(
            list(spec.bank_shape),  # (kernel_num, out, in // groups, *kernel)
            attr=weight_attr,
            default_initializer=kaiming_normal(spec),
        )
        self.bias = self.create_parameter(
            list(spec.bias_shape),  # (kernel_num, out) where kernels have their own, else (out,)
            attr=bias_attr if spec.bias else False,
            is_bias=True,
            default_initializer=Constant(0.0),
        )
        self._build_attention()

    @classmethod
    def from_static(
        cls: type[Layer], conv: nn.Layer, *, noise: float = 0.1, **options: Any
    ) -> Layer:
        """A layer that computes the same as a static convolution, until it is trained.

        It has the geometry, bias, dtype, device and mode of `conv`, and its function at any
        temperature. The kernels differ by noise that cancels in their mixture, so that they part
        in training.

        Args:
            conv: a convolution of `paddle.nn`.
            noise: standard deviation of the noise, relative to that of the kernel.
            **options: keyword-only arguments of the layer; `head_init` is "zero".

        Returns:
            A new layer.

        Raises:
            ValueError: `conv` is no plain convolution of the layer's rank, or an option is unknown
                or would not keep the function.

        Example:
            >>> conv, x = paddle.nn.Conv2D(16, 32, 3), paddle.rand([1, 16, 8, 9])
            >>> bool(paddle.allclose(ODConv2D.from_static(conv)(x), conv(x), atol=1e-5))
            True
        """
        layer: Layer = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        layer.spec.check_static_start()
        copy_function(layer, conv, noise)
        return layer

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        mixer = getattr(self, self.spec.mixer)
        if mixer is None:
            return {}
        found = mixer(self._channels_first(x))
        table = found._asdict() if hasattr(found, "_asdict") else {"kernel": found}
        return {name: value for name, value in table.items() if value is not None}

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        dtype = self.weight.dtype
        rows = scale.reshape([-1, *[1] * (self.weight.ndim - 2)])  # (out, 1, *ones)
        if self.bias is None:
            bias = shift
            self.bias = self.create_parameter(list(self.spec.bias_shape), dtype=dtype, is_bias=True)
        else:
            bias = self.bias.astype(scale.dtype) * scale + shift
        self.weight.set_value((self.weight.astype(scale.dtype) * rows).astype(dtype))
        self.bias.set_value(paddle.broadcast_to(bias, self.bias.shape).astype(dtype))

    def _build_attention(self) -> None:
        """Makes what weighs the kernels."""
        raise NotImplementedError

    def _notable(self) -> dict[str, Any]:
        return {"kernel_num": self.spec.kernel_num} | super()._notable()
