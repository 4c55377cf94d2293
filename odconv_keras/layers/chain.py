"""Layers in a row, named by their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="odconv")
class Chain(keras.layers.Layer):
    """Calls layers in order and holds each as an attribute named by its index: "0", "1", ...

    `keras.Sequential` would store its layers' weights under names of their classes. Attributes
    name the weights in a file as they are named in PyTorch's `nn.Sequential`.

    Called with what a block shares, such as routing weights, it hands them to the layers that take
    them: to CondConv with a shared router, and to chains of it.

    Args:
        layers: what is called in order.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> chain = Chain([ODConv2D(32, 3), BatchNormalization()])
        >>> tuple(chain(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 6, 7, 32)
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = len(layers)
        for index, layer in enumerate(layers):
            setattr(self, str(index), layer)

    @property
    def takes_shared(self) -> bool:
        """Whether a layer inside is called with what its block shares.

        Returns:
            True where `call` takes it as a second argument.
        """
        return any(takes_shared(layer) for layer in self.in_order())

    def build(self, input_shape: Sequence[int | None]) -> None:
        for layer in self.in_order():
            if not layer.built:  # a deserialised chain receives built layers
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any, shared: Any = None, training: bool | None = None) -> Any:
        for layer in self.in_order():  # Keras hands `training` to the layers that take it
            inputs = layer(inputs, shared) if takes_shared(layer) else layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sequence[int | None]:
        for layer in self.in_order():
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def in_order(self) -> list[keras.layers.Layer]:
        """The layers in the order in which they are called.

        Returns:
            Each of the layers.
        """
        return [getattr(self, str(index)) for index in range(self.length)]

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.in_order()]
        return super().get_config() | {"layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Chain:
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**config | {"layers": layers})

    def __dir__(self) -> list[str]:
        # Keras finds the weights of sub-layers by `dir`, from which torch.nn.Module, a base of
        # every layer on that backend, removes names that begin with a digit.
        return list({*super().__dir__(), *map(str, range(self.length))})


def takes_shared(layer: keras.layers.Layer) -> bool:
    """Whether the layer is called with what its block shares beside its input."""
    return bool(getattr(layer, "takes_shared", False))
