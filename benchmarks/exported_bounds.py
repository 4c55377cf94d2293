"""Less than a dynamic network computes, exported as it is: what no form of it can go below.

Two graphs: one reads all kernels but the first of each layer once; the other is the static network
that computes the attentions of ours beside it, and scales next to nothing by them. Whatever the
form, the kernels must be read, and the attentions come before what they scale. Of one image they
scale the kernels of depthwise layers, which are small, those of the layers before by one number
each: a runtime would else put attentions off until all maps are made, and read these once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from odconv.exporting.job import Job
from odconv.exporting.targets import Target
from odconv_torch import ODConv2d
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.columns import plain_conv
from odconv_torch.layers.forms.scaled import scaled_kernels
from odconv_torch.layers.window import Window

READ, ATTENDED = BOUNDS = ("kernels read", "static and attentions")


def write(name: str, network: nn.Module, path: Path, target: Target, job: Job) -> None:
    """Writes one of the two.

    Args:
        name: one of `BOUNDS`.
        network: ours, in inference mode; it is left as it is.
        path: of the file.
        target: its format.
        job: how it is made.
    """
    ready = target.networks.prepared(target.networks.wrapped(network, job), job)
    path.parent.mkdir(parents=True, exist_ok=True)
    target.writer.write(Reading(ready) if name == READ else _Attending(ready), path, job)


class Reading(nn.Module):
    """Passes kernels once: a row of equal numbers times each bank, (1, kernels * out)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        banks = (layer.weight[1:] for layer in network.modules() if isinstance(layer, ODConv2d))
        rows = [bank.flatten(0, 1).flatten(1) for bank in banks if len(bank)]
        self.rows = nn.ParameterList(nn.Parameter(bank, requires_grad=False) for bank in rows)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        total = images[:1].mean((1, 2, 3)).reshape(1, 1)
        for bank in self.rows:
            row = total * torch.ones(1, len(bank))
            total = total + (row @ bank).mean(1, keepdim=True)
        return total


class _Attended(nn.Module):
    """The convolution with the first kernel, beside which the attentions are computed."""

    def __init__(self, layer: Any, looked: list[torch.Tensor]) -> None:
        super().__init__()
        self.layer = layer
        self.looked = looked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer: Any = self.layer
        attentions = layer.attention(x)
        if len(x) == 1 and layer.spec.groups > 1:
            kernel = self._scaled(attentions)
        else:
            # Depthwise layers have no filter attention: their outputs are their input's channels.
            scale = attentions.channel if attentions.filter is None else attentions.filter
            self.looked.append(scale.flatten(1))  # (batch, channels)
            kernel = layer.weight[0]
        x, window = layer._padded(x)
        y = plain_conv(x, kernel, Window(*window))
        return y if layer.bias is None else y + layer.bias.reshape(-1, 1, 1)

    def _scaled(self, attentions: Attentions) -> torch.Tensor:
        """The first kernel with its attentions, and with one number of each layer before."""
        weight, ours = self.layer.weight[:1], attentions._replace(kernel=None)
        kernel = scaled_kernels(weight, ours, self.layer.spec.groups)[0]
        for scale in self.looked:
            first, _ = scale.split([1, scale.shape[1] - 1], 1)  # a view, in OpenVINO
            kernel = kernel * first.reshape(1, 1, 1, 1)
        self.looked.clear()
        return kernel


class _Attending(nn.Module):
    """A network whose attentions are part of what it gives, so that no runtime leaves them out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.looked: list[torch.Tensor] = []
        for name, layer in list(network.named_modules()):
            if isinstance(layer, ODConv2d):
                above, _, last = name.rpartition(".")
                setattr(network.get_submodule(above), last, _Attended(layer, self.looked))
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.looked.clear()
        logits: torch.Tensor = self.network(images)
        return logits + torch.cat(self.looked, 1).mean(1, keepdim=True)
