"""A network of PyTorch on its way out: built, wrapped in what was asked for, made ready."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

import copy

import numpy as np
import torch
from torch import nn

from odconv.exporting.job import Job
from odconv_spec import BackboneSpec
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.factory import build_model
from odconv_torch.models.features import Features
from odconv_torch.tools.inference import fix_attentions, fold_norms
from odconv_torch.tools.strategy import set_strategy


class Wrapped(nn.Module):
    """A network with what stands before and behind it in the file.

    Takes images (batch, channels, height, width), gives what the network does, a tuple for maps.
    """

    def __init__(self, network: nn.Module, job: Job) -> None:
        super().__init__()
        self.network = network
        self.softmax = job.softmax
        self.normalises = job.in_graph and bool(job.mean or job.std)
        if self.normalises:
            zeros, ones = (0.0,) * job.channels, (1.0,) * job.channels
            self.register_buffer("mean", torch.tensor(job.mean or zeros).reshape(1, -1, 1, 1))
            self.register_buffer("std", torch.tensor(job.std or ones).reshape(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        if self.normalises:
            x = (x - self.get_buffer("mean")) / self.get_buffer("std")
        y: torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor] = self.network(x)
        if isinstance(y, torch.Tensor):
            return y.softmax(1) if self.softmax else y
        return tuple(y)


def build(spec: BackboneSpec) -> Backbone:
    """The network of a spec, which gets its arrays afterwards."""
    return build_model(spec)


def wrapped(model: nn.Module, job: Job) -> nn.Module:
    """The function that the file will have, in inference mode; the layers are the model's."""
    if job.features is not None and isinstance(model, Backbone):
        model = Features(model, job.features)
    return Wrapped(model, job).eval()


def prepared(model: nn.Module, job: Job) -> nn.Module:
    """A copy of what `wrapped` gives, as it is to be written."""
    model = copy.deepcopy(model)
    if job.fuse:
        model = fix_attentions(fold_norms(model))
    set_strategy(model, job.form)
    for module in model.modules():
        if hasattr(module, "inplace"):  # takes a fifth of the time to record, and is undone
            setattr(module, "inplace", False)  # noqa: B010 - not every module has it
    return model.requires_grad_(False)


def outputs(model: nn.Module, images: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the network gives for images (batch, channels, height, width), in float32."""
    with torch.no_grad():
        y = model(torch.from_numpy(images))
    return tuple(one.numpy() for one in (y if isinstance(y, tuple) else (y,)))
