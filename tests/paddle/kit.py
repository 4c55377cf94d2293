"""What the tests that all frameworks share ask of Paddle. Arrays are NumPy's, channels first."""

from __future__ import annotations

from functools import reduce

import paddle
from canonical import randomised
from paddle import nn

import odconv_paddle as package
from odconv_paddle.layers import DynamicConv, build_layer
from odconv_paddle.layers.build import layer_class
from odconv_paddle.layers.temperature import Tempered
from odconv_paddle.models.factory import build_model
from odconv_spec import BackboneSpec
from weights_converter import assign

__all__ = [
    "TAKES_EMPTY_BATCHES",
    "at",
    "build",
    "dynamic",
    "freeze",
    "idle",
    "layer_class",
    "network",
    "norm",
    "package",
    "run",
    "seed",
    "temperatures",
    "trains",
]
TAKES_EMPTY_BATCHES = True
seed = paddle.seed


def build(spec, arrays=None, dtype="float64"):
    """A layer or network in inference mode, with random values or those of `arrays`."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)  # which layers take at construction
    try:
        model = (build_model if isinstance(spec, BackboneSpec) else build_layer)(spec)
    finally:
        paddle.set_default_dtype(before)
    if arrays is not None:
        assign(model, arrays)
    model.eval()
    return model


def run(call, x, training=False):
    """What a model, or a method of one in inference, gives: an array or a list of them."""
    if training:
        call.train()
    with paddle.no_grad():
        y = call(paddle.to_tensor(x))
    return [value.numpy() for value in y] if isinstance(y, list) else y.numpy()


def idle(model, x):
    """Names of the trainable arrays that get no gradient from the outputs' squares in training."""
    model.train()
    y = model(paddle.to_tensor(x))
    sum(value.square().mean() for value in (y if isinstance(y, list) else [y])).backward()
    trainable = [(n, p) for n, p in model.named_parameters() if not p.stop_gradient]
    return [n for n, p in trainable if p.grad is None or not p.grad.any()]


def network():
    """Static layers with random arrays, see tests/frameworks/test_replace.py."""
    layers = [
        nn.Conv2D(3, 4, 3, bias_attr=False),
        nn.BatchNorm2D(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2D(4, 6, (3, 2), 2), nn.ReLU(), nn.Conv2D(6, 6, 3, groups=6)),
        nn.Conv2DTranspose(6, 3, 2),
    ]
    model = randomised(nn.Sequential(*layers).to(dtype="float64"))
    model.eval()
    return model


def at(model, path):
    return reduce(lambda layer, name: layer._sub_layers[name], path.split("."), model)


def dynamic(model):
    return [layer for layer in model.sublayers(include_self=True) if isinstance(layer, DynamicConv)]


def freeze(layer):
    for parameter in layer.parameters():
        parameter.stop_gradient = True


def trains(layer):
    return any(not parameter.stop_gradient for parameter in layer.parameters())


def norm(rank, arrays, eps=1e-5):
    """A batch norm with these arrays, which may lack scale and shift."""
    classes = (nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D)
    affine = None if "weight" in arrays else False
    layer = classes[rank - 1](
        len(arrays["running_mean"]), epsilon=eps, weight_attr=affine, bias_attr=affine
    )
    layer.to(dtype="float64")
    assign(layer, arrays)
    layer.eval()
    return layer


def temperatures(model):
    layers = model.sublayers(include_self=True)
    return {float(layer.temperature) for layer in layers if isinstance(layer, Tempered)}
