"""What the tests that all frameworks share ask of Paddle. Arrays are NumPy's, channels first."""

from __future__ import annotations

import paddle

import odconv_paddle as package
from odconv_paddle.layers import build_conv
from odconv_paddle.models.factory import build_model
from odconv_spec import BackboneSpec
from weights_converter import assign

__all__ = ["build", "idle", "package", "run"]


def build(spec, arrays=None, dtype="float64"):
    """A layer or network in inference mode, with random values or those of `arrays`."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)  # which layers take at construction
    try:
        model = (build_model if isinstance(spec, BackboneSpec) else build_conv)(spec)
    finally:
        paddle.set_default_dtype(before)
    if arrays is not None:
        assign(model, arrays)
    model.eval()
    return model


def run(call, x):
    """What a model, or a method of one, gives in inference: an array or a list of them."""
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
