"""Writes a network of PyTorch as ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from odconv.exporting.job import Job

OPSET = 18


def write(model: nn.Module, path: Path, job: Job) -> None:
    """Writes one file with its arrays in it."""
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            (torch.rand(job.example),),
            dynamo=True,
            opset_version=job.opset or OPSET,
            input_names=["images"],
            dynamic_shapes=(free_axes(job),),
            verbose=False,
        )
    program.model.metadata_props.update(job.metadata)
    program.save(path)


def free_axes(job: Job) -> dict[int, object]:
    """Which axes of the images have any size, as torch.export takes it."""
    any_size = torch.export.Dim.AUTO
    batch = {0: any_size} if job.batch is None else {}
    return {**batch, **({2: any_size, 3: any_size} if job.dynamic_size else {})}
