"""What the layers share that scale a map by factors which they compute from it."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar, TypeVar

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Initializer, Uniform

from odconv_paddle.layers.data_format import FORMATS
from odconv_paddle.layers.temperature import at_least_float32
from odconv_spec import LinearSpec, RecalibrationSpec

Layer = TypeVar("Layer", bound="Recalibration")


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Recalibration(nn.Layer):
    """A layer that multiplies a map by factors between 0 and 1, and keeps its shape.

    Its convolutions and linear layers are plain ones, with the arrays of the published code;
    `replace_convs` leaves them alone.

    Example:
        >>> isinstance(SqueezeExcitation(64), Recalibration)
        True
    """

    spec_class: ClassVar[type[RecalibrationSpec]]
    spec: RecalibrationSpec

    def __init__(self, spec: RecalibrationSpec, data_format: str | None = None) -> None:
        """Makes all arrays; a subclass makes the spec of its arguments."""
        super().__init__()
        self.spec = spec
        self._width = spec.channels  # plain, because to_static cannot read a dataclass
        self._axes = axes_of(data_format)
        self._channels_last = data_format is not None and data_format.endswith("C")
        self._build()

    @classmethod
    def from_spec(
        cls: type[Layer], spec: RecalibrationSpec, *, data_format: str | None = None
    ) -> Layer:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.
            data_format: as in the class.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class.

        Example:
            >>> spec = SqueezeExcitationSpec(channels=64)
            >>> tuple(SqueezeExcitation.from_spec(spec)(paddle.rand([2, 64, 8, 9])).shape)
            (2, 64, 8, 9)
        """
        if type(spec) is not cls.spec_class:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__}, received {spec!r}"
            )
        layer = cls.__new__(cls)
        Recalibration.__init__(layer, spec, data_format)
        return layer

    def gates(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """The factors of a map.

        Returns:
            "channel", (batch, channels, *ones), and of a CBAM "spatial", (batch, 1, *map).
        """
        return {"channel": self._channel_gate(self._channels_first(x))}

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._channels_first(x)
        return self._as_given(scaled(x, self._channel_gate(x)))

    def _build(self) -> None:
        """Makes the layers inside."""
        raise NotImplementedError

    def _channel_gate(self, x: paddle.Tensor) -> paddle.Tensor:
        """(batch, channels, *ones), of a map with channels second."""
        raise NotImplementedError

    def _channels_first(self, x: paddle.Tensor) -> paddle.Tensor:
        """The input as (batch, channels, *map). Raises ValueError if it has another shape."""
        channels = x.shape[-1 if self._channels_last else 1] if x.ndim in self._axes else None
        expected = (channels, -1) if self._width is None else (self._width, -1)
        if channels is None or channels not in expected:  # -1 is not yet known
            axes = " or ".join(map(str, self._axes))
            raise ValueError(
                f"x: expected {axes} axes and {self._width or 'any number of'} channels in the "
                f"{'last' if self._channels_last else 'second'} one, received the shape "
                f"{list(x.shape)}"
            )
        if not self._channels_last:
            return x
        return x.transpose([0, x.ndim - 1, *range(1, x.ndim - 1)])

    def _as_given(self, y: paddle.Tensor) -> paddle.Tensor:
        """A result (batch, channels, *map) with the axes in the order of the input's."""
        return y.transpose([0, *range(2, y.ndim), 1]) if self._channels_last else y

    def extra_repr(self) -> str:
        spec = self.spec
        options = ((f.name, getattr(spec, f.name), f.default) for f in spec.own_options())
        shown = (f"{name}={value!r}" for name, value, default in options if value != default)
        return ", ".join((str(spec.channels), *shown))


def axes_of(data_format: str | None) -> tuple[int, ...]:
    """How many axes an input may have. Raises ValueError for an unknown format."""
    if data_format is None:
        return (3, 4, 5)
    for rank, pair in enumerate(FORMATS, start=1):
        if data_format in pair:
            return (rank + 2,)
    known = ", ".join(repr(name) for pair in FORMATS for name in pair)
    raise ValueError(f"data_format: expected one of {known}, received {data_format!r}")


def uniform(fan_in: int) -> Initializer:
    """The start of PyTorch's linear layers and convolutions, which the published code has."""
    return Uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in))


def gate_layers(
    squeeze: LinearSpec, excite: LinearSpec, zero_bias: bool = False
) -> tuple[nn.Linear, nn.ReLU, nn.Linear]:
    """Two linear layers, which start as PyTorch's do, with a ReLU between."""
    first, second = (_linear(spec, zero_bias) for spec in (squeeze, excite))
    return first, nn.ReLU(), second


def _linear(spec: LinearSpec, zero_bias: bool) -> nn.Linear:
    start = uniform(spec.in_channels)
    bias = ParamAttr(initializer=Constant(0.0) if zero_bias else start)
    return nn.Linear(
        spec.in_channels,
        spec.out_channels,
        weight_attr=ParamAttr(initializer=start),
        bias_attr=bias if spec.bias else False,
    )


def gate(logits: paddle.Tensor) -> paddle.Tensor:
    return F.sigmoid(at_least_float32(logits))


def beside(x: paddle.Tensor, factors: paddle.Tensor) -> paddle.Tensor:
    """Factors (batch, channels) as they multiply the map: (batch, channels, *ones)."""
    return factors.unsqueeze(list(range(2, x.ndim)))


def scaled(x: paddle.Tensor, factors: paddle.Tensor) -> paddle.Tensor:
    """The product, in the precision of the map."""
    return x * factors.astype(x.dtype)
