"""One step of stochastic gradient descent."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from odconv_torch.layers import set_temperature
from odconv_torch.models.backbone import Backbone
from odconv_torch.train.precision import autocast, parameter_dtype
from odconv_torch.train.processes import Processes
from odconv_training import Options, step_seed


class Step:
    """A model with its optimizer, and what takes it one batch further.

    Attributes:
        model: the network itself, whose state is to be saved.
        optimizer: `torch.optim.SGD` over all its parameters that are not frozen.
        scaler: of the loss, for float16, whose small gradients vanish; else it does nothing.
        forward: calls the model, so that gradients are means over all processes.
    """

    def __init__(self, model: nn.Module, options: Options, processes: Processes) -> None:
        recipe = options.recipe
        self.model = model
        self.optimizer = torch.optim.SGD(
            _groups(model, options), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay
        )
        on = options.precision == "float16"
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=on)
        self.options = options
        self.processes = processes
        self.forward = processes.wrap(model)

    def __call__(
        self,
        step: int,
        images: torch.Tensor,
        labels: torch.Tensor,
        count: int,
        rate: float,
        temperature: float,
    ) -> float:
        """Takes one step; see `odconv_training.Step`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        set_temperature(self.model, temperature)
        torch.manual_seed(step_seed(self.options.seed, step, self.processes.rank))
        total = self.loss(images, labels)
        self.optimizer.zero_grad()
        # DistributedDataParallel divides by the number of processes, the recipe by the samples.
        self.scaler.scale(total * (self.processes.world / count)).backward()
        self._update()
        return self.processes.summed(total.detach()).item() / count

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The sum of the cross-entropies of this share."""
        device, precision = self.processes.device, self.options.precision
        images = images.to(device, parameter_dtype(precision), non_blocking=True)
        with autocast(precision, device):
            logits = self.forward(images)  # (batch, classes)
        exact = torch.promote_types(logits.dtype, torch.float32)
        labels = labels.to(device, non_blocking=True)
        return F.cross_entropy(logits.to(exact), labels, reduction="sum")

    def _update(self) -> None:
        if self.options.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def _groups(model: nn.Module, options: Options) -> list[dict[str, Any]]:
    """The parameters to train; one group, as the official script has it, if one rate does."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if options.recipe.head_lr is None:
        return [{"params": trained}]
    head = list(cast(Backbone, model).get_classifier().parameters())
    own = set(map(id, head))
    body = [parameter for parameter in trained if id(parameter) not in own]
    return [{"params": body}, {"params": head, "factor": options.recipe.head_factor}]
