"""Why a convolution of a model is better left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from odconv_keras.layers.from_static import refusal
from odconv_spec import replacing


class Obstacles:
    """What prevents replacing a convolution of `model`.

    Args:
        model: a built model or layer.
        frozen: whether convolutions that do not train are replaced, too.
    """

    def __init__(self, model: keras.layers.Layer, frozen: bool) -> None:
        self._frozen = frozen
        self._owners = replacing.Owners()
        self._wrapped: set[int] = set()
        for layer in model._flatten_layers():  # Keras has no public walk over all depths
            if isinstance(layer, keras.layers.SpectralNormalization):
                self._wrapped.add(id(layer.layer))
            elif not list(layer._flatten_layers(include_self=False)):
                for variable in layer.weights:
                    self._owners.add(layer, variable, layer.name)

    def of(self, conv: Any) -> str | None:
        """The first reason to leave a convolution as it is; None if there is none."""
        return refusal(conv) or next(self._reasons(conv), None)

    def _reasons(self, conv: Any) -> Iterator[str]:
        name = type(conv).__name__
        # First, because LoRA freezes the kernel itself.
        if getattr(conv, "lora_enabled", False):
            yield f"expected a stored kernel, received {name} with LoRA, which computes it anew"
        if not (conv.trainable and conv.kernel.trainable) and not self._frozen:
            yield replacing.frozen(name, "kernel")
        if "call" in vars(conv):
            yield f"expected a convolution of Keras, received {name}, which computes in its own way"
        if owner := self._owners.other_than(conv, conv.weights):
            yield replacing.shared(name, owner)
        if id(conv) in self._wrapped:
            yield (
                f"expected a kernel of its own, received {name} in SpectralNormalization, which "
                "would take the bank of kernels for one kernel"
            )


def freeze_like(layer: keras.layers.Layer, conv: Any) -> None:
    """Freezes a new layer where the old one is.

    Each layer inside is frozen by itself: one that was frozen when it was made does not pass it on.
    """
    if conv.trainable and conv.kernel.trainable:
        return
    for part in layer._flatten_layers():
        part.trainable = False
