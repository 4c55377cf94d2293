"""Writes a network of Paddle as an inference model: a graph, its arrays, and metadata."""

from __future__ import annotations

from pathlib import Path

import paddle

from odconv.exporting.job import Job
from odconv.runtimes.sidecar import write_beside


def write(model: paddle.nn.Layer, path: Path, job: Job) -> None:
    """Writes the arrays at `path`, and beside them the graph (.json) and the metadata."""
    size = (None, None) if job.dynamic_size else job.size
    images = paddle.static.InputSpec([job.batch, job.channels, *size], "float32", "images")
    with paddle.no_grad():
        paddle.jit.save(model, str(path.with_suffix("")), input_spec=[images])
    write_beside(path, job.metadata)
