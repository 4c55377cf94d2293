"""Layers that do not train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import paddle
from paddle import nn

from odconv_paddle.layers.norm import keep_statistics


class Frozen:
    """Freezes layers: no gradients, and statistics that stay. `thaw` ends what this has begun."""

    def __init__(self, layers: Iterable[nn.Layer]) -> None:
        layers = list(layers)
        self._parameters = [p for p in _parameters(layers) if not p.stop_gradient]
        self._norms = [norm for layer in layers for norm in keep_statistics(layer)]
        for parameter in self._parameters:
            parameter.stop_gradient = True

    def thaw(self) -> None:
        """Makes them train as before."""
        for parameter in self._parameters:
            parameter.stop_gradient = False
        for norm in self._norms:
            norm._use_global_stats = None


def _parameters(layers: Iterable[nn.Layer]) -> Iterator[paddle.Tensor]:
    return (parameter for layer in layers for parameter in layer.parameters())
