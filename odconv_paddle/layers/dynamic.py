"""What the dynamic convolutions have in common."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import paddle
from paddle import nn

from odconv_paddle.layers.attributes import ConvAttributes
from odconv_paddle.layers.data_format import data_format_or_default, is_channels_last
from odconv_paddle.layers.from_static import layer_like
from odconv_paddle.layers.temperature import set_temperature
from odconv_spec import DynamicConvSpec

Size = int | Sequence[int]
Padding = Size | Sequence[Sequence[int]] | str
Attr = Any  # paddle.ParamAttr, an initializer, a name or a bool, as in paddle.nn
Layer = TypeVar("Layer", bound="DynamicConv")


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class DynamicConv(ConvAttributes, nn.Layer):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    A subclass makes its arrays in `_build`, and computes in `forward`. It has the attributes of a
    convolution of `paddle.nn`, too; see `ConvAttributes`.

    Example:
        >>> model = create_model("od_resnet18")
        >>> sum(isinstance(layer, DynamicConv) for layer in model.sublayers())
        16
    """

    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]
    spec: DynamicConvSpec

    def __init__(
        self,
        spec: DynamicConvSpec,
        padding_mode: str = "zeros",
        weight_attr: Attr = None,
        bias_attr: Attr = None,
        data_format: str | None = None,
    ) -> None:
        """Makes all arrays; a subclass makes the spec of its arguments."""
        super().__init__()
        _check_paddle_options(padding_mode, weight_attr)
        self._format = data_format_or_default(data_format, self.rank)
        self._channels_last = is_channels_last(data_format, self.rank)
        self.spec = spec
        # Plain values, because to_static cannot read a dataclass's properties.
        self._width = spec.in_channels
        self._geometry = (spec.strides, spec.pads, spec.dilations, spec.groups)
        self._build(weight_attr, bias_attr)

    @classmethod
    def from_spec(
        cls: type[Layer],
        spec: DynamicConvSpec,
        *,
        weight_attr: Attr = None,
        bias_attr: Attr = None,
        data_format: str | None = None,
    ) -> Layer:
        """The layer that `spec` describes, with random weights.

        A spec is checked when it is made, so nothing is checked or made a second time here; the
        `__init__` of the class, which makes a spec of its arguments, is not called.

        Args:
            spec: all options of the layer.
            weight_attr: `paddle.ParamAttr` of the kernels.
            bias_attr: `paddle.ParamAttr` of the biases, if the spec has any.
            data_format: as in the class.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class, or over other axes.

        Example:
            >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
            >>> tuple(ODConv2D.from_spec(spec)(paddle.rand([1, 16, 8, 9])).shape)
            (1, 32, 8, 9)
        """
        if type(spec) is not cls.spec_class or spec.rank != cls.rank:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__} with "
                f"rank={cls.rank}, received {spec!r}"
            )
        layer = cls.__new__(cls)
        DynamicConv.__init__(layer, spec, "zeros", weight_attr, bias_attr, data_format)
        return layer

    @classmethod
    def from_static(cls: type[Layer], conv: nn.Layer, **options: Any) -> Layer:
        """A layer that computes the same as a static convolution, until it is trained.

        It has the geometry, bias, dtype, device and mode of `conv`. What depends on the sample
        starts as a constant, which the arrays undo.

        Args:
            conv: a convolution of `paddle.nn`.
            **options: keyword-only arguments of the layer; `head_init`, where it has that, is
                "zero" here.

        Returns:
            A new layer.

        Raises:
            ValueError: `conv` is no plain convolution of the layer's rank, or has widths or groups
                that the layer cannot have; an option is unknown or would not keep the function.

        Example:
            >>> conv, x = paddle.nn.Conv2D(16, 32, 3), paddle.rand([1, 16, 8, 9])
            >>> bool(paddle.allclose(ODConv2D.from_static(conv)(x), conv(x), atol=1e-5))
            True
        """
        layer: Layer = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        layer.spec.check_static_start()
        with paddle.no_grad():
            layer._take_function(conv)
        return layer

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """What the layer computes from an input, by the names that the parity tests have.

        Args:
            x: the input, as in `forward`.

        Returns:
            Name -> tensor whose first axis is the batch.
        """
        raise NotImplementedError

    def fold(self, scale: paddle.Tensor, shift: paddle.Tensor) -> None:
        """Makes the layer compute y * scale + shift in place of y; its spec has a bias by then.

        See `folded`.

        Args:
            scale: (out,).
            shift: (out,).

        Raises:
            ValueError: the kind has no arrays that could take them up.
        """
        raise NotImplementedError

    def folded(self, scale: paddle.Tensor, shift: paddle.Tensor) -> nn.Layer:
        """A new layer that computes y * scale + shift where this one computes y.

        Args:
            scale: (out,).
            shift: (out,).

        Returns:
            The new layer; this one stays what it is.

        Raises:
            ValueError: other channels, or the kind has no arrays that could take them up.
        """
        layer = copy.deepcopy(self)
        layer.spec = self.spec.fused(len(scale))
        layer.fold(scale, shift)
        return layer

    def _build(self, weight_attr: Attr, bias_attr: Attr) -> None:
        """Makes all arrays, and the layers inside."""
        raise NotImplementedError

    def _take_function(self, conv: nn.Layer) -> None:
        """Copies a static convolution of the same geometry, as a start of `static_start` can."""
        raise NotImplementedError

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits. Raises ValueError if it is not positive."""
        set_temperature(self, temperature)

    def extra_repr(self) -> str:
        spec = self.spec
        text = f"{spec.in_channels}, {spec.out_channels}, kernel_size={spec.kernel}"
        text += f", stride={spec.strides}, padding={spec.pads}, dilation={spec.dilations}"
        text += f", groups={spec.groups}, bias={spec.bias}"
        notable = "".join(f", {name}={value!r}" for name, value in self._notable().items())
        return f"{text}{notable}, data_format={self._format}"

    def _notable(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        fields = self.spec.own_options()
        found = ((field, getattr(self.spec, field.name)) for field in fields)
        return {field.name: value for field, value in found if value != field.default}

    def _channels_first(self, x: paddle.Tensor) -> paddle.Tensor:
        """The input as (batch, in, *map). Raises ValueError if it has another shape or dtype."""
        channels = x.shape[-1 if self._channels_last else 1] if x.ndim == self.rank + 2 else None
        if channels not in (self._width, -1):  # -1 is not yet known
            raise ValueError(
                f"x: expected {self.rank + 2} axes ({self._format}) and "
                f"{self._width} channels, received the shape {list(x.shape)}"
            )
        if not x.is_floating_point():
            raise ValueError(
                f"{type(self).__name__}: expected an input of floating-point numbers, received "
                f"{x.dtype}; convert it, for example by .astype('float32')"
            )
        if not self._channels_last:
            return x
        return x.transpose([0, self.rank + 1, *range(1, self.rank + 1)])

    def _as_given(self, y: paddle.Tensor) -> paddle.Tensor:
        """A result (batch, out, *map) with the axes in the order of the input's."""
        return y.transpose([0, *range(2, self.rank + 2), 1]) if self._channels_last else y


def _check_paddle_options(padding_mode: str, weight_attr: Attr) -> None:
    if padding_mode != "zeros":
        raise ValueError(
            f"padding_mode: expected 'zeros', received {padding_mode!r}; "
            "for another padding call paddle.nn.functional.pad before the layer"
        )
    if weight_attr is False:
        raise ValueError("weight_attr: expected None or a ParamAttr, received False")
