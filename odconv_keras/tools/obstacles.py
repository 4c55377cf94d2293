"""Why a convolution of a model is better left as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import keras

from odconv_keras.layers.from_static import refusal


class Obstacles:
    """What stands against replacing each convolution of `model`.

    Args:
        model: a built model or layer.
        frozen: whether those that do not train are to be replaced, too.
    """

    def __init__(self, model: keras.layers.Layer, frozen: bool) -> None:
        self._frozen = frozen
        self._owners: dict[int, dict[int, str]] = defaultdict(dict)  # by `id` of the variable
        self._wrapped: set[int] = set()
        for layer in model._flatten_layers():  # Keras has no public walk over all depths
            if isinstance(layer, keras.layers.SpectralNormalization):
                self._wrapped.add(id(layer.layer))
            elif not list(layer._flatten_layers(include_self=False)):
                for variable in layer.weights:
                    self._owners[id(variable)][id(layer)] = layer.name

    def of(self, conv: Any) -> str | None:
        """The first reason to leave a convolution as it is; None if there is none."""
        return refusal(conv) or next(self._reasons(conv), None)

    def _reasons(self, conv: Any) -> Iterator[str]:
        name = type(conv).__name__
        if getattr(
            conv, "lora_enabled", False
        ):  # it freezes the kernel itself, so that it is first
            yield f"expected a stored kernel, received {name} with LoRA, which computes it anew"
        if not (conv.trainable and conv.kernel.trainable) and not self._frozen:
            yield (
                f"expected a kernel that trains, received {name} with a frozen one; frozen=True "
                "replaces it, too"
            )
        if "call" in vars(conv):
            yield f"expected a convolution of Keras, received {name}, which computes in its own way"
        for variable in conv.weights:
            others = [of for i, of in self._owners[id(variable)].items() if i != id(conv)]
            if others:
                yield f"expected arrays of its own, received {name} with one of {others[0]}"
        if id(conv) in self._wrapped:
            yield (
                f"expected a kernel of its own, received {name} in SpectralNormalization, which "
                "would take the bank of kernels for one kernel"
            )


def freeze(layer: keras.layers.Layer) -> None:
    """Makes a new layer one that does not train.

    Each layer inside is told, as one that was frozen when it was made does not pass it on.
    """
    for part in layer._flatten_layers():
        part.trainable = False
