"""Why a convolution of a network is better left as it is."""

from __future__ import annotations

from collections.abc import Iterator

import paddle
from paddle import nn
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers.from_static import static_spec
from odconv_spec import replacing

_DTYPES = (paddle.float16, paddle.bfloat16, paddle.float32, paddle.float64)


class Obstacles:
    """What prevents replacing a convolution of `model`.

    Hooks of tensors are not seen: Paddle has no way to ask for them.

    Args:
        model: the network.
        frozen: whether convolutions that do not train are replaced, too.
    """

    def __init__(self, model: nn.Layer, frozen: bool) -> None:
        self._frozen = frozen
        self._owners = replacing.Owners()
        self._wrapped: set[nn.Layer] = set()
        for path, layer in model.named_sublayers(include_self=True):
            for name, parameter in layer.named_parameters(include_sublayers=False):
                self._owners.add(layer, parameter, f"{path}.{name}" if path else name)
            if isinstance(layer, paddle.DataParallel):
                self._wrapped.update(layer.sublayers())

    def of(self, conv: _ConvNd) -> str | None:
        """The first reason to leave a convolution as it is; None if there is none."""
        try:
            static_spec(conv)
        except ValueError as error:
            return str(error)
        return next(self._reasons(conv), None)

    def _reasons(self, conv: _ConvNd) -> Iterator[str]:
        name, arrays = type(conv).__name__, [p for p in (conv.weight, conv.bias) if p is not None]
        if conv.weight.stop_gradient and not self._frozen:
            yield replacing.frozen(name, "weight")
        if conv.weight.dtype not in _DTYPES:
            received = f"{name} of {conv.weight.dtype}"
            yield f"expected a plain tensor of floating-point numbers, received {received}"
        if path := self._owners.other_than(conv, arrays):
            yield replacing.shared(name, path)
        if conv in self._wrapped:
            yield replacing.wrapped("DataParallel")


def freeze_like(layer: nn.Layer, conv: _ConvNd) -> None:
    """Freezes the arrays of a new layer where those of the old one are."""
    for name, parameter in layer.named_parameters():
        of = conv.bias if name == "bias" and conv.bias is not None else conv.weight
        if of.stop_gradient:  # running statistics never train
            parameter.stop_gradient = True
