"""Writes a network of PyTorch as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import nn

from odconv.exporting.biases import fold_biases
from odconv.exporting.folding import fold_constants
from odconv.exporting.grouped_samples import join_what_follows
from odconv.exporting.job import Job
from odconv.exporting.means import part_means
from odconv.exporting.torch_graph import INPUT, output_names, quietly, recorded
from odconv.exporting.views import join_views
from weights_converter.errors import UsageError

OPSET: Final = 18  # the first with all operators that the exporter uses, so that none is rewritten
AXES: Final = ("batch", "channels", "height", "width")


def write(model: nn.Module, path: Path, job: Job) -> None:
    """Writes one file with its arrays in it.

    Raises:
        UsageError: the opset lacks an operator.
    """
    opset = _checked(job.opset or OPSET)
    program = recorded(model, job)
    names = output_names(len(program.graph_signature.user_outputs))
    with quietly(), torch.no_grad():
        found = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT],
            output_names=names,
            optimize=False,  # `fold_constants` does the same, with arrays of any size
            verbose=False,
        )
    if found is None or found.model.opset_imports[""] != opset:
        raise UsageError(
            f"opset {opset} of ONNX lacks an operator of this network", f"ask for {OPSET} or more"
        )
    fold_constants(found.model)
    fold_biases(found.model)
    join_what_follows(found.model)
    join_views(found.model)
    part_means(found.model)
    _name_axes(found.model.graph)
    _forget_origins(found.model)
    found.model.metadata_props.update(job.metadata)
    if not (job.half or job.int8):
        found.save(path)
        return
    single = path.with_name(f"single-{path.name}")  # which is rounded by ONNX Runtime's own tools
    found.save(single)
    _round(single, path, job)
    single.unlink()


def _round(single: Path, path: Path, job: Job) -> None:
    """Makes a file in half precision or in integers of one in float32."""
    if job.half:
        from odconv.exporting.half import halve

        halve(single, path)
    else:
        from odconv.exporting.int8 import quantize

        quantize(single, path, job, INPUT)


def _checked(opset: int) -> int:
    newest = onnx.defs.onnx_opset_version()
    if not 7 <= opset <= newest:
        raise UsageError(
            f"opset: expected 7 to {newest}, which the installed onnx knows, received {opset}"
        )
    return opset


def _name_axes(graph: Any) -> None:
    """Calls the free lengths what they are, in place of "s77"."""
    (images,) = graph.inputs
    names = dict(zip(map(str, images.shape), AXES, strict=True))
    for value in (*graph.inputs, *graph.outputs):
        lengths = () if value.shape is None else enumerate(value.shape)
        for axis, length in lengths:
            if not isinstance(length, int) and str(length) in names:
                value.shape[axis] = names[str(length)]


def _forget_origins(model: Any) -> None:
    """Drops where in which file of this machine each operator was called."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
