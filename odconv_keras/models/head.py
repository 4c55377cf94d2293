"""The layers behind the last map, and what they make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers import build_conv, build_layer
from odconv_keras.layers.data_format import from_channels_last
from odconv_keras.layers.pooling_layers import GlobalPool
from odconv_keras.models.graph import layer_name
from odconv_spec import BackboneSpec, ConvSpec, LinearSpec

Layers = dict[str, keras.layers.Layer]


def head_layers(spec: BackboneSpec, dropout: str, activation: Any, policy: Any) -> Layers:
    """What follows the last map, in this order, by path; `dropout` is the path of that.

    Raises:
        ValueError: there is an activation, and no classifier.
    """
    if activation is not None and spec.head is None:
        raise ValueError(
            f"classifier_activation: expected None without a classifier, received {activation!r}"
        )
    found: Layers = {
        "global_pool": _pool(spec, policy),
        dropout: keras.layers.Dropout(spec.dropout, name=layer_name(dropout), dtype=policy),
        spec.head_path: _classifier(spec.head, name=layer_name(spec.head_path), dtype=policy),
    }
    if isinstance(spec.head, ConvSpec):
        found["flatten"] = keras.layers.Flatten("channels_last", name="flatten", dtype=policy)
    if activation is not None:
        name = "classifier_activation"
        # A softmax in half precision would not add up to one.
        found[name] = keras.layers.Activation(activation, name=name, dtype=policy.variable_dtype)
    return found


def scores(
    layers: Sequence[keras.layers.Layer], x: Any, training: bool | None, data_format: str
) -> Any:
    """What the layers of the head make of the last map, one after the other."""
    told = {} if training is None else {"training": training}  # some layers have no such argument
    for layer in layers:
        x = layer(x, **told)
    return from_channels_last(x, data_format) if len(x.shape) > 2 else x


def _pool(spec: BackboneSpec, policy: Any) -> keras.layers.Layer:
    if not spec.global_pool:
        return keras.layers.Identity(name="global_pool", dtype=policy)
    keepdims = isinstance(spec.head, ConvSpec)
    return GlobalPool(spec.global_pool, keepdims, name="global_pool", dtype=policy)


def _classifier(spec: LinearSpec | ConvSpec | None, **options: Any) -> keras.layers.Layer:
    """That of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return keras.layers.Identity(**options)
    if isinstance(spec, LinearSpec):
        return build_layer(spec, **options)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    start = keras.initializers.RandomNormal(stddev=0.01)
    return build_conv(spec, kernel_initializer=start, **options)
