"""Writes a network of PyTorch as a file of torch.export."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from odconv.exporting.job import Job
from odconv.exporting.torch_graph import recorded
from odconv.runtimes.exported import METADATA_FILE


def write(model: nn.Module, path: Path, job: Job) -> None:
    """Writes one file, with the metadata as one of its extra files."""
    extra = {METADATA_FILE: json.dumps(dict(job.metadata))}
    torch.export.save(recorded(model, job), path, extra_files=extra)
