"""Why a convolution of a network is better left as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import paddle
from paddle import nn
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers.from_static import static_spec

_DTYPES = (paddle.float16, paddle.bfloat16, paddle.float32, paddle.float64)


class Obstacles:
    """What stands against replacing each convolution of `model`.

    Hooks of tensors are not seen: Paddle has no way to ask for them.

    Args:
        model: the network.
        frozen: whether those that do not train are to be replaced, too.
    """

    def __init__(self, model: nn.Layer, frozen: bool) -> None:
        self._frozen = frozen
        self._owners: dict[int, dict[nn.Layer, str]] = defaultdict(dict)  # by id of the parameter
        self._wrapped: set[nn.Layer] = set()
        for path, layer in model.named_sublayers(include_self=True):
            for name, parameter in layer.named_parameters(include_sublayers=False):
                self._owners[id(parameter)][layer] = f"{path}.{name}" if path else name
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
            yield (
                f"expected a weight that trains, received {name} with a frozen one; frozen=True "
                "replaces it, too"
            )
        if conv.weight.dtype not in _DTYPES:
            received = f"{name} of {conv.weight.dtype}"
            yield f"expected a plain tensor of floating-point numbers, received {received}"
        for array in arrays:
            others = [path for owner, path in self._owners[id(array)].items() if owner is not conv]
            if others:
                yield f"expected arrays of its own, received {name} with one of {others[0]}"
        if conv in self._wrapped:
            yield (
                "expected a network that is not wrapped yet, received DataParallel, which goes on "
                "with the parameters that it was made with; replace before wrapping"
            )


def freeze_like(layer: nn.Layer, conv: _ConvNd) -> None:
    """Freezes the arrays of a new layer where those of the old one are."""
    for name, parameter in layer.named_parameters():
        of = conv.bias if name == "bias" and conv.bias is not None else conv.weight
        if of.stop_gradient:  # running statistics never train
            parameter.stop_gradient = True
