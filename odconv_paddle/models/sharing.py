"""What the convolutions of a block share, as a layer of the block, and those of a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import paddle
from paddle import nn

from odconv_paddle.layers import KWConv, WarehouseManager, build_shared
from odconv_spec import BackboneSpec, SharedSpec
from odconv_spec.warehouse import MANAGER


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ConvNorm(nn.Sequential):
    """A convolution and a batch norm; what a block shares goes to the convolution."""

    def forward(self, x: paddle.Tensor, *shared: paddle.Tensor) -> paddle.Tensor:
        conv, norm = self
        return norm(conv(x, *shared))


def add_shared(block: nn.Layer, spec: SharedSpec | None) -> str:
    """Adds what the convolutions of a block share, and gives its name; "" where there is none."""
    if spec is None:
        return ""
    block.add_sublayer(spec.name, build_shared(spec))
    return spec.name


def shared_by(block: nn.Layer, name: str, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
    """What each convolution of a block takes beside its input, from the input of the block."""
    return (getattr(block, name)(x),) if name else ()


def add_warehouses(network: nn.Layer, spec: BackboneSpec) -> None:
    """Adds the cells that layers of the whole network share, if they do; see `serve_cells`."""
    if spec.warehouses:
        network.add_sublayer(MANAGER, WarehouseManager(spec.warehouses))


def serve_cells(network: nn.Layer) -> None:
    """Lets the layers of a network, which are all made by now, read its cells."""
    for manager in manager_of(network).values():
        manager.serve(network)


def manager_of(network: nn.Layer) -> dict[str, nn.Layer]:
    """What holds the cells of a network, by its name; nothing where there are none."""
    manager = getattr(network, MANAGER, None)
    return {} if manager is None else {MANAGER: manager}


def cells_of(layers: Iterable[nn.Layer]) -> Iterator[paddle.Tensor]:
    """The cells that layers inside these layers read."""
    for layer in layers:
        for conv in layer.sublayers(include_self=True):
            if isinstance(conv, KWConv):
                yield conv.cells
