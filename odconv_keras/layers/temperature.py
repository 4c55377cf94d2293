"""The temperature that divides attention logits: run-time state."""

from __future__ import annotations

from typing import ClassVar

import keras

from odconv_spec.schedule import SOFTEN, Annealing


class Tempered(keras.layers.Layer):
    """A layer with a temperature, at the start that at which nobody anneals: 1 for softmaxes.

    The temperature is a weight that is not trained, so that compiled functions see it change.
    """

    annealing: ClassVar[Annealing] = SOFTEN
    temperature: keras.Variable | None = None

    def add_temperature(self) -> None:
        """Creates the temperature; first in `build`, as the order names weights in a file."""
        self.temperature = self.add_weight(
            name="temperature",
            shape=(),
            initializer=keras.initializers.Constant(self.annealing.rest),
            trainable=False,
            autocast=False,
        )


def set_temperature(layer: keras.layers.Layer, temperature: float) -> None:
    """Sets the temperature of every dynamic convolution inside `layer` (or of `layer` itself).

    Static convolutions have none and are left alone, so this may be called on any model. Compiled
    functions need not be compiled again.

    Args:
        layer: a layer or a model that is built.
        temperature: divisor of the attention logits.

    Raises:
        ValueError: `temperature` is not a positive finite number, or with KernelWarehouse not
            between 0 and 1; or `layer` is not built.

    Example:
        >>> model = create_model("dy_resnet18")
        >>> set_temperature(model, 30.0)
        >>> float(model.layer1.in_order()[0].conv1.attention.temperature)
        30.0
    """
    children = _tempered_in(layer)
    for annealing in {child.annealing for child in children} or {SOFTEN}:
        annealing.check(temperature)
    if not layer.built:
        raise ValueError(
            f"expected a layer that is built, received {layer.name!r}, which is not: "
            "call it on data, or its build() on a shape, before setting the temperature"
        )
    for child in children:
        if child.temperature is not None:
            child.temperature.assign(temperature)


def annealing_of(layer: keras.layers.Layer) -> Annealing:
    """Which temperatures the dynamic convolutions inside `layer` are published with."""
    return next((child.annealing for child in _tempered_in(layer)), SOFTEN)


def temperatures(layer: keras.layers.Layer) -> set[float]:
    """The temperatures of the dynamic convolutions inside `layer`: none, one, or several."""
    found = (child.temperature for child in _tempered_in(layer))
    return {float(temperature) for temperature in found if temperature is not None}


def _tempered_in(layer: keras.layers.Layer) -> list[Tempered]:
    # Keras has no public walk over all depths; this one is what Model.layers and KerasHub use.
    return [child for child in layer._flatten_layers() if isinstance(child, Tempered)]
