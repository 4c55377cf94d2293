"""The temperature that divides attention logits: run-time state, 1 at the start."""

from __future__ import annotations

import math
from typing import Any

import keras


class Tempered(keras.layers.Layer):
    """A layer with a temperature.

    The temperature is a weight that is not trained, so that compiled functions see it change.
    """

    temperature: keras.Variable | None = None

    def add_temperature(self) -> None:
        """Creates the temperature; first in `build`, as the order names weights in a file."""
        self.temperature = self.add_weight(
            name="temperature", shape=(), initializer="ones", trainable=False, autocast=False
        )


def set_temperature(layer: keras.layers.Layer, temperature: float) -> None:
    """Sets the temperature of every dynamic convolution inside `layer` (or of `layer` itself).

    Static convolutions have none and are left alone, so this may be called on any model. Compiled
    functions need not be compiled again.

    Args:
        layer: a layer or a model that is built.
        temperature: divisor of the attention logits.

    Raises:
        ValueError: `temperature` is not a positive finite number, or `layer` is not built.

    Example:
        >>> model = create_model("dy_resnet18")
        >>> set_temperature(model, 30.0)
        >>> float(model.layer1.in_order()[0].conv1.attention.temperature)
        30.0
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature: expected a positive number, received {temperature!r}")
    if not layer.built:
        raise ValueError(
            f"expected a layer that is built, received {layer.name!r}, which is not: "
            "call it on data, or its build() on a shape, before setting the temperature"
        )
    for child in _with_sublayers(layer):
        if isinstance(child, Tempered) and child.temperature is not None:
            child.temperature.assign(temperature)


def temperatures(layer: keras.layers.Layer) -> set[float]:
    """The temperatures of the dynamic convolutions inside `layer`: none, one, or several."""
    found = (child for child in _with_sublayers(layer) if isinstance(child, Tempered))
    return {float(child.temperature) for child in found if child.temperature is not None}


def _with_sublayers(layer: keras.layers.Layer) -> list[Any]:
    # Keras has no public walk over all depths; this one is what Model.layers and KerasHub use.
    return list(layer._flatten_layers())
