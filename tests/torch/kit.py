"""What the tests that all frameworks share ask of PyTorch. Arrays are NumPy's, channels first."""

from __future__ import annotations

import torch
from helpers import randomised
from torch import nn

import odconv_torch as package
from odconv_spec import BackboneSpec
from odconv_torch.layers import DynamicConv, build_layer
from odconv_torch.layers.build import layer_class
from odconv_torch.models.factory import build_model
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
seed = torch.manual_seed


def build(spec, arrays=None, dtype="float64"):
    """A layer or network in inference mode, with random values or those of `arrays`."""
    make = build_model if isinstance(spec, BackboneSpec) else build_layer
    model = make(spec, dtype=getattr(torch, dtype))
    if arrays is not None:
        assign(model, arrays)
    return model.eval()


def run(call, x, training=False):
    """What a model, or a method of one in inference, gives: an array or a list of them."""
    if training:
        call.train()
    with torch.no_grad():
        y = call(torch.tensor(x))
    return [value.numpy() for value in y] if isinstance(y, list) else y.numpy()


def idle(model, x):
    """Names of the trainable arrays that get no gradient from the outputs' squares in training."""
    y = model.train()(torch.tensor(x))
    sum(value.square().mean() for value in (y if isinstance(y, list) else [y])).backward()
    trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    return [n for n, p in trainable if p.grad is None or not p.grad.any()]


def network():
    """Static layers with random arrays, see tests/frameworks/test_replace.py."""
    layers = [
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 6, (3, 2), 2), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6)),
        nn.ConvTranspose2d(6, 3, 2),
    ]
    return randomised(nn.Sequential(*layers)).double().eval()


def at(model, path):
    return model.get_submodule(path)


def dynamic(model):
    return [module for module in model.modules() if isinstance(module, DynamicConv)]


def freeze(layer):
    layer.requires_grad_(False)


def trains(layer):
    return any(parameter.requires_grad for parameter in layer.parameters())


def norm(rank, arrays, eps=1e-5):
    """A batch norm with these arrays, which may lack scale and shift."""
    classes = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    channels = len(arrays["running_mean"])
    layer = classes[rank - 1](channels, eps, affine="weight" in arrays, dtype=torch.float64)
    assign(layer, arrays)
    return layer.eval()


def temperatures(model):
    buffers = model.named_buffers()
    return {buffer.item() for name, buffer in buffers if name.endswith("temperature")}
