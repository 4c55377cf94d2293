"""Batch norms that keep their statistics while the rest is trained."""

from __future__ import annotations

import keras


def freeze_norms(model: keras.layers.Layer) -> None:
    """Keeps every batch norm as it is, those in attentions included, as mmdetection's `norm_eval`.

    Their `trainable` becomes False, by which Keras' batch norms infer in training, too, and their
    scale and offset stay as well. As ever in Keras, compile the model after this.

    Args:
        model: a model or a layer, of this package or another; layers that it makes only when it is
            built are not there before.

    Example:
        >>> model = create_model("od_resnet18")
        >>> freeze_norms(model)
        >>> model.bn1.trainable, model.conv1.trainable
        (False, True)
    """
    # Keras has no public walk over all depths; this one is what Model.layers and KerasHub use.
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
