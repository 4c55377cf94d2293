"""What the layers share that scale a map by factors which they compute from it."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import torch
from torch import nn

from odconv_spec import LinearSpec, RecalibrationSpec
from odconv_torch.layers.leaf import leaf

Device = torch.device | str | None
Layer = TypeVar("Layer", bound="Recalibration")


class Recalibration(nn.Module):
    """A layer that multiplies a map by factors between 0 and 1, and keeps its shape.

    Its convolutions and linear layers are plain ones, with the arrays of the published code;
    `replace_convs` leaves them alone.

    Attributes:
        spec: all options in their normal form.

    Example:
        >>> isinstance(SqueezeExcitation(64), Recalibration)
        True
    """

    spec_class: ClassVar[type[RecalibrationSpec]]
    spec: RecalibrationSpec

    def __init__(
        self, spec: RecalibrationSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        """Makes all arrays; a subclass makes the spec of its arguments."""
        super().__init__()
        self.spec = spec
        self._build(device, dtype)

    @classmethod
    def from_spec(
        cls: type[Layer],
        spec: RecalibrationSpec,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> Layer:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.
            device: where the parameters live.
            dtype: of the parameters.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class.

        Example:
            >>> spec = SqueezeExcitationSpec(channels=64)
            >>> SqueezeExcitation.from_spec(spec)(torch.rand(2, 64, 8, 9)).shape
            torch.Size([2, 64, 8, 9])
        """
        if type(spec) is not cls.spec_class:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__}, received {spec!r}"
            )
        layer = cls.__new__(cls)
        Recalibration.__init__(layer, spec, device, dtype)
        return layer

    def gates(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The factors of a map (batch, channels, *map).

        Returns:
            "channel", (batch, channels, *ones), and of a CBAM "spatial", (batch, 1, *map).
        """
        self._check_input(x)
        return {"channel": self._channel_gate(x)}

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        return x * self._channel_gate(x)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        """Makes the layers inside."""
        raise NotImplementedError

    def _channel_gate(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, *ones)"""
        raise NotImplementedError

    def _check_input(self, x: torch.Tensor) -> None:
        channels = self.spec.channels
        if not 3 <= x.dim() <= 5 or (channels is not None and x.shape[1] != channels):
            raise ValueError(
                f"{type(self).__name__}: expected an input (batch, {channels or 'channels'}, *map) "
                f"with one to three axes of the map, received {tuple(x.shape)}"
            )

    def extra_repr(self) -> str:
        spec = self.spec
        options = ((f.name, getattr(spec, f.name), f.default) for f in spec.own_options())
        shown = (f"{name}={value!r}" for name, value, default in options if value != default)
        return ", ".join((str(spec.channels), *shown))


def gate_layers(
    squeeze: LinearSpec, excite: LinearSpec, device: Device, dtype: torch.dtype | None
) -> tuple[nn.Linear, nn.ReLU, nn.Linear]:
    """Two linear layers, which start as PyTorch's do, with a ReLU between."""
    first, second = (
        nn.Linear(s.in_channels, s.out_channels, s.bias, device=device, dtype=dtype)
        for s in (squeeze, excite)
    )
    return first, nn.ReLU(), second


def beside(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Factors (batch, channels) as they multiply the map: (batch, channels, *ones)."""
    return factors.reshape(*factors.shape, *(1,) * (x.dim() - 2))
