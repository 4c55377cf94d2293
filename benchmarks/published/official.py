"""Other people's code with our arrays: ODConv's networks from a clone, and layers that circulate.

Nothing of it is in this repository: the networks are imported from the folder of a clone of
https://github.com/OSVAI/ODConv, and CondConv is that of timm. DyConv has no official code; the
layers that circulate compute what `published/torch.py` says in words of our own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from benchmarks.published.torch import publish
from odconv_torch.layers import CondConv2d


def official_network(
    folder: str, name: str, kernel_num: int | None, arrays: Mapping[str, Any]
) -> nn.Module:
    """A network of the official code that holds our arrays, without dropout, as ours are.

    Args:
        folder: a clone of OSVAI/ODConv.
        name: such as "od_resnet18", or "resnet18" of the static network.
        kernel_num: kernels that are mixed; None for a static network.
        arrays: canonical name -> values. The canonical names are those of the official code.

    Raises:
        ValueError: the folder holds something else.
        RuntimeError: the network has other arrays.
    """
    options = {} if kernel_num is None else {"kernel_num": kernel_num}
    network: nn.Module = getattr(_models(folder), name)(dropout=0.0, **options)
    network.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
    return network


def circulating(layer: nn.Module) -> nn.Module:
    """A layer that computes what `layer`, a DyConv or CondConv without a bias, does, as others
    wrote it.
    """
    if isinstance(layer, CondConv2d):
        return _TimmCondConv(layer)
    publish(layer)
    return layer


class _TimmCondConv(nn.Module):
    """timm's layer, steered as its EfficientNets do."""

    def __init__(self, ours: CondConv2d) -> None:
        super().__init__()
        from timm.layers import CondConv2d as Layer

        spec, kernels = ours.spec, ours.weight.detach()
        self.routing = nn.Linear(spec.in_channels, spec.kernel_num)
        self.conv = Layer(
            spec.in_channels,
            spec.out_channels,
            spec.kernel,
            spec.strides,
            spec.pads[0][0],
            bias=False,
            num_experts=spec.kernel_num,
        )
        router: Any = ours.routing
        self.routing.load_state_dict({"weight": router.weight, "bias": router.bias})
        self.conv.load_state_dict({"weight": kernels.flatten(1)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        y: torch.Tensor = self.conv(x, torch.sigmoid(self.routing(mean)))
        return y


def _models(folder: str) -> ModuleType:
    """The package `models` there, which imports its neighbours by short names."""
    path = str(Path(folder).resolve())
    if path not in sys.path:
        sys.path.insert(0, path)
    models = import_module("models")
    if not Path(models.__file__ or "").is_relative_to(path):
        raise ValueError(f"official code: expected a package models in {folder}, received {models}")
    return models
