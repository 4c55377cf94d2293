"""One step of stochastic gradient descent of a detector."""

from __future__ import annotations

import torch

from odconv_torch.detect.data import Target
from odconv_torch.train import step
from odconv_torch.train.precision import autocast, parameter_dtype


class Step(step.Step):
    """A detector with its optimizer; see `odconv_torch.train.step.Step`."""

    def loss(self, images: list[torch.Tensor], labels: list[Target]) -> torch.Tensor:  # type: ignore[override]  # images of any sizes, and objects in place of classes
        """The sum of the detector's losses, which are means over images, times the images."""
        device, precision = self.processes.device, self.options.precision
        dtype = parameter_dtype(precision)
        placed = [image.to(device, dtype, non_blocking=True) for image in images]
        targets = [
            {name: value.to(device, non_blocking=True) for name, value in target.items()}
            for target in labels
        ]
        for target in targets:
            target["boxes"] = target["boxes"].to(dtype)
        with autocast(precision, device):
            losses = self.forward(placed, targets)
        exact = torch.promote_types(dtype, torch.float32)
        return torch.stack([loss.to(exact) for loss in losses.values()]).sum() * len(images)
