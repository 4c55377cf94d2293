"""The temperature that divides attention logits: run-time state, not part of a checkpoint."""

from __future__ import annotations

from typing import ClassVar

import paddle
from paddle import nn

from odconv_spec.schedule import SOFTEN, Annealing


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Tempered(nn.Layer):
    """A layer with a temperature, at the start that at which nobody anneals: 1 for softmaxes.

    The temperature is a buffer, so that static graphs see it change, and not persistable, so that
    converted official checkpoints have no key too few.
    """

    annealing: ClassVar[Annealing] = SOFTEN
    temperature: paddle.Tensor

    def __init__(self) -> None:
        super().__init__()
        rest = paddle.full([], self.annealing.rest, paddle.get_default_dtype())
        self.register_buffer("temperature", rest, persistable=False)

    def _tempered(self, logits: paddle.Tensor) -> paddle.Tensor:
        logits = at_least_float32(logits)
        return logits / self.temperature.astype(logits.dtype)


def at_least_float32(x: paddle.Tensor) -> paddle.Tensor:
    """Out of half precision, in which an exponential would be too coarse."""
    return x.astype("float32") if x.dtype in (paddle.float16, paddle.bfloat16) else x


def set_temperature(layer: nn.Layer, temperature: float) -> None:
    """Sets the temperature of every dynamic convolution inside `layer` (or of `layer` itself).

    Static convolutions and CondConv have none and are left alone, so this may be called on any
    network.

    Raises:
        ValueError: `temperature` is not a positive finite number, or with KernelWarehouse not
            between 0 and 1.

    Example:
        >>> model = create_model("dy_resnet18")
        >>> set_temperature(model, 30.0)
        >>> float(model.layer1[0].conv1.attention.temperature)
        30.0
    """
    children = _tempered_in(layer)
    for annealing in {child.annealing for child in children} or {SOFTEN}:
        annealing.check(temperature)
    for child in children:
        child.temperature.fill_(temperature)


def annealing_of(layer: nn.Layer) -> Annealing:
    """Which temperatures the dynamic convolutions inside `layer` are published with."""
    return next((child.annealing for child in _tempered_in(layer)), SOFTEN)


def temperatures(layer: nn.Layer) -> set[float]:
    """The temperatures of the dynamic convolutions inside `layer`: none, one, or several."""
    return {float(child.temperature) for child in _tempered_in(layer)}


def _tempered_in(layer: nn.Layer) -> list[Tempered]:
    return [child for child in layer.sublayers(include_self=True) if isinstance(child, Tempered)]
