"""A network of Keras on its way out: built, wrapped in what was asked for, made ready."""

from __future__ import annotations

import keras
import numpy as np

from odconv.exporting.job import Job
from odconv.runtimes.channels import to_last
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.factory import build_model
from odconv_keras.models.features import Features
from odconv_spec import BackboneSpec
from weights_converter.errors import UsageError


def build(spec: BackboneSpec) -> Backbone:
    """The network of a spec, which gets its arrays afterwards.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow, whose files these are.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"files of TensorFlow: expected Keras on TensorFlow, received the backend {backend!r}",
            help="set KERAS_BACKEND=tensorflow before Keras is imported",
        )
    return build_model(spec, data_format="channels_last", dtype="float32")


def wrapped(model: Backbone, job: Job) -> keras.Model:
    """The function that the file will have; the layers are the model's."""
    sizes = (None, None) if job.dynamic_size else job.size
    images = keras.Input((*sizes, job.channels), job.batch, "float32", name="images")
    x = images
    if job.in_graph and (job.mean or job.std):
        std = np.asarray(job.std or (1.0,) * job.channels)
        shift = -np.asarray(job.mean or (0.0,) * job.channels) / std
        x = keras.layers.Rescaling((1 / std).tolist(), shift.tolist())(x)
    network = model if job.features is None else Features(model, job.features or None)
    y = network(x)
    return keras.Model(images, keras.ops.softmax(y) if job.softmax else y)


def prepared(model: keras.Model, job: Job) -> keras.Model:
    """What `wrapped` gives: converters fold what is constant, and forms are chosen in recording."""
    return model


def signature(model: keras.Model) -> list[keras.InputSpec]:
    """What `model.export` is to record: images of the model's batch, which Keras leaves free."""
    (images,) = model.inputs
    return [keras.InputSpec(images.dtype, images.shape, name=images.name)]


def outputs(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the network gives for images (batch, channels, height, width), in float32."""
    found = keras.tree.flatten(model(to_last(images), training=False))
    arrays = [keras.ops.convert_to_numpy(y) for y in found]
    return tuple(np.moveaxis(y, -1, 1) if y.ndim > 2 else y for y in arrays)
