"""The temperature that divides attention logits: run-time state, not part of a checkpoint."""

from __future__ import annotations

import math

import paddle
from paddle import nn


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class Tempered(nn.Layer):
    """A layer with a temperature, 1 at the start.

    The temperature is a buffer, so that static graphs see it change, and not persistable, so that
    converted official checkpoints have no key too few.
    """

    temperature: paddle.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperature", paddle.ones([]), persistable=False)

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
        ValueError: `temperature` is not a positive finite number.

    Example:
        >>> model = create_model("dy_resnet18")
        >>> set_temperature(model, 30.0)
        >>> float(model.layer1[0].conv1.attention.temperature)
        30.0
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature: expected a positive number, received {temperature!r}")
    for child in layer.sublayers(include_self=True):
        if isinstance(child, Tempered):
            child.temperature.fill_(temperature)


def temperatures(layer: nn.Layer) -> set[float]:
    """The temperatures of the dynamic convolutions inside `layer`: none, one, or several."""
    found = (child for child in layer.sublayers(include_self=True) if isinstance(child, Tempered))
    return {float(child.temperature) for child in found}
