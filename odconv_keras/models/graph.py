"""Functional models whose arrays in a file are named by attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from odconv_keras.layers import Chain, set_temperature
from odconv_spec.feature_maps import stage_to_freeze

Layers = Mapping[str, keras.layers.Layer]  # by path, such as "conv1" and "layer1.0"


class Graph(keras.Model):
    """A functional model, as KerasHub's backbones: its layers can be reached and plotted.

    In a file Keras names the arrays of a functional model by the order of its layers and by their
    classes. Here they have the names of attributes, such as "layer1/0/conv1/vars/0", which are
    those of the official checkpoints, and no layer without arrays changes them.

    Args:
        inputs: the symbolic images.
        outputs: what the model gives, symbolic.
        layers: those that become attributes, by path; a `Chain` holds those of a stage.
        pyramid_outputs: see below.
        name: of the model.
        dtype: the dtype policy of the layers.
        trainable: False freezes all layers, True leaves each as it is.

    Attributes:
        pyramid_outputs: the last map of each stride, symbolic, by names as in KerasHub: that of
            stride 2 ** 3 is "P3".

    Example:
        >>> model = create_model("od_resnet18")
        >>> model.get_layer("layer1_0").output.shape
        (None, None, None, 64)
        >>> keras.Model(model.inputs, model.pyramid_outputs["P3"]).output_shape
        (None, None, None, 128)
    """

    spec: Any  # BackboneSpec, what the network is made of
    feature_info: Any  # of the maps of `pyramid_outputs`, tuple[FeatureInfo, ...]

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        layers: Layers,
        pyramid_outputs: Mapping[str, Any],
        *,
        name: str,
        dtype: Any,
        trainable: bool = True,
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = dtype
        self._paths = {layer.name: path for path, layer in layers.items()}
        self.pyramid_outputs = dict(pyramid_outputs)
        for attribute, layer in _by_attribute(layers, dtype).items():
            setattr(self, attribute, layer)
        if not trainable:
            self.trainable = False

    def by_path(self) -> dict[str, keras.layers.Layer]:
        """The layers by the attributes that lead to them, such as "layer1.0", in their order.

        Returns:
            Path -> layer.
        """
        return {self._paths[x.name]: x for x in self.layers if x.name in self._paths}

    def layers_to(self, outputs: Any) -> dict[str, keras.layers.Layer]:
        """Those of `by_path` that lead to symbolic tensors of this model.

        Returns:
            Path -> layer.
        """
        found = {id(operation) for operation in keras.Function(self.inputs, outputs).operations}
        return {path: layer for path, layer in self.by_path().items() if id(layer) in found}

    def with_layers(self, layers: Layers) -> Graph:
        """A new model of the same config, random weights, and these layers at their paths.

        Returns:
            The new model; this one stays what it is.
        """
        raise NotImplementedError

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def freeze_stages(self, stage: int | None) -> None:
        """Freezes every layer that leads to a map, its router and its attention included.

        Their `trainable` becomes False: a step leaves their weights as they are, and their batch
        norms infer and keep their statistics. As ever in Keras, compile the model after this.

        Args:
            stage: the map's place in the `feature_info` of a backbone; 0 freezes the stem alone,
                None nothing.

        Raises:
            ValueError: there is no such map.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.freeze_stages(1)
            >>> [model.get_layer(name).trainable for name in ("conv1", "layer1_1", "layer2_0")]
            [False, False, True]
        """
        outputs = self.outputs_of_stages()
        place = stage_to_freeze(self.spec.feature_info()[: len(outputs)], stage)
        if place >= 0:
            for layer in self.layers_to(outputs[place]).values():
                layer.trainable = False

    def outputs_of_stages(self) -> list[Any]:
        """The maps of the stages that can be frozen, symbolic.

        Returns:
            The largest map first.
        """
        return list(self.pyramid_outputs.values())

    def get_build_config(self) -> dict[str, Any]:
        # Nothing is built by it here; earlier versions of this package, which open the file, do so.
        return {"input_shape": self.input_shape}

    def _trackable_children(self, save_type: str = "checkpoint", **options: Any) -> dict[str, Any]:
        # TensorFlow's checkpoints name arrays by the shortest way to them: not that of the graph.
        parent: Any = super()
        children = parent._trackable_children(save_type, **options)
        return {name: x for name, x in children.items() if not name.startswith("_operations")}

    def _obj_type(self) -> str:
        # Keras' saving asks for it: with "Functional" it would go by the order of the layers.
        return "Layer"


def layer_name(path: str) -> str:
    """The name of the layer at that path: the PyTorch backend allows no dot in it."""
    return path.replace(".", "_")


def under(path: str, layers: Layers) -> dict[str, keras.layers.Layer]:
    """Those whose paths begin so: the layers of a stage, in their order."""
    return {name: layer for name, layer in layers.items() if name.startswith(f"{path}.")}


def _by_attribute(layers: Layers, dtype: Any) -> dict[str, keras.layers.Layer]:
    """The layers by the first part of their path; those with a second one in a `Chain`."""
    found: dict[str, list[keras.layers.Layer]] = {}
    for path, layer in layers.items():
        found.setdefault(path.partition(".")[0], []).append(layer)
    return {
        name: _chain(inside, name, dtype) if f"{name}.0" in layers else inside[0]
        for name, inside in found.items()
    }


def _chain(layers: list[keras.layers.Layer], name: str, dtype: Any) -> Chain:
    chain = Chain(layers, name=name, dtype=dtype)
    chain.built = True  # the graph has called the layers one by one
    return chain
