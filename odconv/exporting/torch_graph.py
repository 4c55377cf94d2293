"""The graph of a network of PyTorch, as every writer that starts from one takes it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from odconv.exporting.job import Job

INPUT = "images"


def recorded(model: nn.Module, job: Job) -> ExportedProgram:
    """The program of a prepared network, for the batches and sizes that the job leaves free."""
    with quietly(), torch.no_grad():
        return torch.export.export(
            model, (torch.rand(job.example),), dynamic_shapes=(_free_axes(job),), strict=False
        )


def _free_axes(job: Job) -> dict[int, Any]:
    batch = {0: Dim("batch")} if job.batch is None else {}
    # Windows that slide over a map may ask for more than one pixel, which AUTO takes as it is.
    return {**batch, **({2: Dim.AUTO, 3: Dim.AUTO} if job.dynamic_size else {})}


def output_names(count: int) -> list[str]:
    """Names of a file's outputs.

    Example:
        >>> output_names(1), output_names(2)
        (['output'], ['output_0', 'output_1'])
    """
    return ["output"] if count == 1 else [f"output_{place}" for place in range(count)]


@contextmanager
def _without_traces() -> Iterator[None]:
    """Without noting for each operator the lines of code that called it, which takes long."""
    config: Any = getattr(torch.fx, "config", None)
    name = "do_not_emit_stack_traces"  # not in older torch
    before = getattr(config, name, None)
    if before is not None:
        setattr(config, name, True)
    try:
        yield
    finally:
        if before is not None:
            setattr(config, name, before)


@contextmanager
def quietly() -> Iterator[None]:
    """Without exporters' remarks on what they miss and will drop, and without traces of calls."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with _without_traces(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
