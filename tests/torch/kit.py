"""What the tests that all frameworks share ask of PyTorch. Arrays are NumPy's, channels first."""

from __future__ import annotations

import torch

import odconv_torch as package
from odconv_spec import BackboneSpec
from odconv_torch.layers import build_conv
from odconv_torch.models.factory import build_model
from weights_converter import assign

__all__ = ["build", "idle", "package", "run"]


def build(spec, arrays=None, dtype="float64"):
    """A layer or network in inference mode, with random values or those of `arrays`."""
    make = build_model if isinstance(spec, BackboneSpec) else build_conv
    model = make(spec, dtype=getattr(torch, dtype))
    if arrays is not None:
        assign(model, arrays)
    return model.eval()


def run(call, x):
    """What a model, or a method of one, gives in inference: an array or a list of them."""
    with torch.no_grad():
        y = call(torch.tensor(x))
    return [value.numpy() for value in y] if isinstance(y, list) else y.numpy()


def idle(model, x):
    """Names of the trainable arrays that get no gradient from the outputs' squares in training."""
    y = model.train()(torch.tensor(x))
    sum(value.square().mean() for value in (y if isinstance(y, list) else [y])).backward()
    return [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
