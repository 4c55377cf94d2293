"""Writes a network of PyTorch as OpenVINO's own two files, `.xml` and `.bin`."""

from __future__ import annotations

from pathlib import Path

import openvino
from torch import nn

from odconv.exporting.job import Job
from odconv.exporting.torch_graph import INPUT, output_names, quietly, recorded


def write(model: nn.Module, path: Path, job: Job) -> None:
    """Writes the graph, and the arrays beside it: in half precision if so asked."""
    program = recorded(model, job)
    with quietly():
        graph = openvino.convert_model(program)
    graph.inputs[0].get_tensor().set_names({INPUT})
    # The converter forgets what is fixed, and layers of an unknown shape are slow.
    graph.reshape([-1 if length is None else length for length in job.shape])
    for output, name in zip(graph.outputs, output_names(len(graph.outputs)), strict=True):
        output.get_tensor().set_names({name})
    for key, value in job.metadata.items():
        graph.set_rt_info(value, key.split("."))
    openvino.save_model(graph, path, compress_to_fp16=job.half)
