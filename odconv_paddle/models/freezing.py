"""Layers that do not train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import paddle
from paddle import nn

from odconv_paddle.layers.norm import keep_statistics
from odconv_paddle.models.sharing import cells_of


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


def _parameters(layers: Sequence[nn.Layer]) -> Iterator[paddle.Tensor]:
    yield from (parameter for layer in layers for parameter in layer.parameters())
    yield from cells_of(layers)  # which others may share
