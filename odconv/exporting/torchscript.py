"""Writes a network of PyTorch as a file of TorchScript, for runtimes that have nothing newer.

`torch.jit.trace` records it: the layers are no scripts. torch deprecates the format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from odconv.exporting.job import Job
from odconv.exporting.torch_graph import quietly
from odconv.runtimes.exported import METADATA_FILE


def write(model: nn.Module, path: Path, job: Job) -> None:
    """Writes one file, with the metadata as one of its extra files."""
    trace: Any = torch.jit.trace  # has no annotations
    save: Any = torch.jit.save
    with quietly(), torch.no_grad():
        program = trace(model, torch.rand(job.example), check_trace=False)
    save(program, str(path), _extra_files={METADATA_FILE: json.dumps(dict(job.metadata))})
