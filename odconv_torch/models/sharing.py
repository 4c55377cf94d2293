"""What the convolutions of a block share, as a layer of the block, and those of a network."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from odconv_spec import BackboneSpec, SharedSpec
from odconv_spec.warehouse import MANAGER
from odconv_torch.layers import KWConv, WarehouseManager, build_shared
from odconv_torch.models.conv_norm import conv_norm

Device = torch.device | str | None


class ConvNorm(nn.Sequential):
    """A convolution and a batch norm; what a block shares goes to the convolution."""

    def forward(self, x: torch.Tensor, *shared: torch.Tensor) -> torch.Tensor:
        conv, norm = self
        return conv_norm(conv, norm, x, *shared)


def add_shared(
    block: nn.Module, spec: SharedSpec | None, device: Device, dtype: torch.dtype | None
) -> str:
    """Adds what the convolutions of a block share, and gives its name; "" where there is none."""
    if spec is None:
        return ""
    block.add_module(spec.name, build_shared(spec, device, dtype))
    return spec.name


def shared_by(block: nn.Module, name: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What each convolution of a block takes beside its input, from the input of the block."""
    return (getattr(block, name)(x),) if name else ()


def add_warehouses(
    network: nn.Module, spec: BackboneSpec, device: Device, dtype: torch.dtype | None
) -> None:
    """Adds the cells that layers of the whole network share, if they do; see `serve_cells`."""
    if spec.warehouses:
        network.add_module(MANAGER, WarehouseManager(spec.warehouses, device, dtype))


def serve_cells(network: nn.Module) -> None:
    """Lets the layers of a network, which are all made by now, read its cells."""
    for manager in manager_of(network).values():
        manager.serve(network)


def manager_of(network: nn.Module) -> dict[str, WarehouseManager]:
    """What holds the cells of a network, by its name; nothing where there are none."""
    manager = getattr(network, MANAGER, None)
    return {} if manager is None else {MANAGER: manager}


def cells_of(modules: Iterable[nn.Module]) -> Iterator[nn.Parameter]:
    """The cells that layers inside the modules read."""
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, KWConv):
                yield layer.cells
