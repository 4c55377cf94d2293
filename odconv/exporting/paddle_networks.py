"""A network of Paddle on its way out: built, wrapped in what was asked for, made ready."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from odconv.exporting.job import Job
from odconv_paddle.models.backbone import Backbone
from odconv_paddle.models.factory import build_model
from odconv_paddle.models.features import Features
from odconv_spec import BackboneSpec


class Wrapped(nn.Layer):
    """A network with what stands before and behind it in the file.

    Takes images (batch, channels, height, width), gives what the network does, a tuple for maps.
    """

    def __init__(self, network: nn.Layer, job: Job) -> None:
        super().__init__()
        self.network = network
        self.softmax = job.softmax
        self.normalises = job.in_graph and bool(job.mean or job.std)
        zeros, ones = (0.0,) * job.channels, (1.0,) * job.channels
        for name, numbers in (("mean", job.mean or zeros), ("std", job.std or ones)):
            row = paddle.to_tensor(numbers, "float32").reshape([1, -1, 1, 1])
            self.register_buffer(name, row, persistable=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor | tuple[paddle.Tensor, ...]:
        if self.normalises:
            x = (x - self.mean) / self.std
        y = self.network(x)
        if self.softmax:
            return nn.functional.softmax(y, axis=1)
        return tuple(y) if isinstance(y, list) else y


def build(spec: BackboneSpec) -> Backbone:
    """The network of a spec, which gets its arrays afterwards."""
    return build_model(spec)


def wrapped(model: Backbone, job: Job) -> nn.Layer:
    """The function that the file will have, in inference mode; the layers are the model's."""
    body = model if job.features is None else Features(model, job.features or None)
    network = Wrapped(body, job)
    network.eval()
    return network


def prepared(model: nn.Layer, job: Job) -> nn.Layer:
    """What `wrapped` gives: Paddle's own passes fold it when the file is opened."""
    return model


def outputs(model: nn.Layer, images: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the network gives for images (batch, channels, height, width), in float32."""
    with paddle.no_grad():
        y = model(paddle.to_tensor(images))
    return tuple(one.numpy() for one in (y if isinstance(y, tuple) else (y,)))
