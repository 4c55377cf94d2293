"""What the dynamic convolutions share: their geometry, and its checks."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from odconv_spec import DynamicConvSpec
from odconv_torch.layers.attributes import ConvAttributes
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.from_static import layer_like
from odconv_torch.layers.padding import check_padding_mode, no_padding, pad
from odconv_torch.layers.temperature import set_temperature
from odconv_torch.layers.window import Window

Size = int | tuple[int, ...]
Padding = Size | tuple[tuple[int, int], ...] | str
Device = torch.device | str | None
Layer = TypeVar("Layer", bound="DynamicConv")

_MAPS = (("length",), ("height", "width"), ("depth", "height", "width"))  # by rank - 1


class DynamicConv(ConvAttributes, nn.Module):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    A subclass makes its arrays in `_build`, and computes in `forward`.

    Attributes:
        spec: all options in their normal form.
        strategy: which form computes the convolution; see `set_strategy`.

    `in_channels`, `kernel_size` and so on are those of `torch.nn.Conv2d`, to be read.

    Example:
        >>> model = create_model("od_resnet18")
        >>> sum(isinstance(module, DynamicConv) for module in model.modules())
        16
    """

    strategy = Strategy()  # the default
    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]
    spec: DynamicConvSpec

    def __init__(
        self,
        spec: DynamicConvSpec,
        padding: Padding,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Makes all arrays; a subclass makes the spec of its arguments."""
        super().__init__()
        self.spec = spec
        self._padding_mode = check_padding_mode(padding_mode)
        self._padding = spec.pads
        self._given_padding = padding  # which may be a word
        self._build(device, dtype)

    @classmethod
    def from_spec(
        cls: type[Layer],
        spec: DynamicConvSpec,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> Layer:
        """The layer that `spec` describes, with random weights.

        A spec is checked when it is made, so nothing is checked or made a second time here; the
        `__init__` of the class, which makes a spec of its arguments, is not called.

        Args:
            spec: all options of the layer.
            device: where the parameters live.
            dtype: of the parameters.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class, or over other axes.

        Example:
            >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
            >>> ODConv2d.from_spec(spec)(torch.rand(1, 16, 8, 9)).shape
            torch.Size([1, 32, 8, 9])
        """
        if type(spec) is not cls.spec_class or spec.rank != cls.rank:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__} with "
                f"rank={cls.rank}, received {spec!r}"
            )
        layer = cls.__new__(cls)
        DynamicConv.__init__(layer, spec, spec.pads, device=device, dtype=dtype)
        return layer

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As every module's, but for a bias that the layer was made without.

        Code that folds a batch norm into a convolution gives it one, after it took the weight for
        the kernel.

        Raises:
            ValueError: it is such a bias.
        """
        if name == "bias" and param is not None and not self.spec.bias:
            raise ValueError(
                f"{type(self).__name__}: expected no bias in a layer made with bias=False, "
                f"received {tuple(param.shape)}; to fold a norm into it, use odconv_torch.fuse"
            )
        super().register_parameter(name, param)

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits; a layer without one is left alone.

        Raises:
            ValueError: `temperature` is not a positive finite number.
        """
        set_temperature(self, temperature)

    @classmethod
    def from_static(cls: type[Layer], conv: nn.Module, **options: Any) -> Layer:
        """A layer that computes what `conv` computes, until it is trained.

        It has the geometry, bias, dtype and device of `conv`. What depends on the sample starts as
        a constant, which the arrays undo.

        Args:
            conv: a `torch.nn.Conv1d`, `Conv2d` or `Conv3d`, as this layer.
            **options: the layer's own; `head_init`, where it has that, is "zero" here.

        Returns:
            A new layer, with the mode (training or not) of `conv`.

        Raises:
            ValueError: `conv` is no plain convolution of this rank, or has widths or groups that
                the layer cannot have; an option is out of range or would change the function.

        Example:
            >>> conv, x = torch.nn.Conv2d(16, 32, 3), torch.rand(1, 16, 8, 9)
            >>> torch.allclose(ODConv2d.from_static(conv)(x), conv(x), atol=1e-5)
            True
        """
        layer: Layer = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        layer.spec.check_static_start()
        with torch.no_grad():
            layer._take_function(conv)
        return layer

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the layer computes from an input, by the names that the parity tests have.

        Args:
            x: (batch, in, *map).

        Returns:
            Name -> tensor whose first axis is the batch.
        """
        raise NotImplementedError

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        """Makes the layer compute y * scale + shift in place of y; its spec has a bias by then.

        See `folded`.

        Args:
            scale: (out,).
            shift: (out,).

        Raises:
            ValueError: the kind has no arrays that could take them up.
        """
        raise NotImplementedError

    def folded(self, scale: torch.Tensor, shift: torch.Tensor) -> nn.Module:
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

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        """Makes all arrays, and the layers inside."""
        raise NotImplementedError

    def _take_function(self, conv: nn.Module) -> None:
        """Copies a static convolution of the same geometry, as a start of `static_start` can."""
        raise NotImplementedError

    def _padded(self, x: torch.Tensor) -> tuple[torch.Tensor, Window]:
        """The input and how kernels move over it, after a padding that is not of zeros."""
        spec, padding = self.spec, self._padding
        if self._padding_mode != "zeros":
            x, padding = pad(x, padding, self._padding_mode), no_padding(spec.rank)
        return x, Window(spec.strides, padding, spec.dilations, spec.groups)

    def _check_input(self, x: torch.Tensor) -> None:
        spec = self.spec
        if x.dim() != spec.rank + 2 or x.shape[1] != spec.in_channels:
            axes = ", ".join(("batch", str(spec.in_channels), *_MAPS[spec.rank - 1]))
            raise ValueError(
                f"{type(self).__name__}: expected an input ({axes}), received {tuple(x.shape)}"
            )
        if not x.is_floating_point():  # the attentions and kernels would be whole, too
            raise ValueError(
                f"{type(self).__name__}: expected an input of floating-point numbers, received "
                f"{x.dtype}; convert it, for example by .float()"
            )

    def extra_repr(self) -> str:
        spec = self.spec
        text = f"{spec.in_channels}, {spec.out_channels}, kernel_size={spec.kernel}"
        text += f", stride={spec.strides}, padding={spec.pads}, dilation={spec.dilations}"
        text += f", groups={spec.groups}, bias={spec.bias}"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode!r}"
        return ", ".join((text, *(f"{k}={v!r}" for k, v in self._notable().items())))

    def _notable(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        fields = self.spec.own_options()
        found = ((field, getattr(self.spec, field.name)) for field in fields)
        return {field.name: value for field, value in found if value != field.default}
