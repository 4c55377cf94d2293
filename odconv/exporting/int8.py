"""An ONNX file that computes its convolutions and its last layer in integers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from odconv.exporting.calibration import calibration_batches
from odconv.exporting.job import Job
from odconv.exporting.stored_integers import store_as_integers

_LINEAR: Final = ("Gemm", "MatMul")


def quantize(source: Path, path: Path, job: Job, input_name: str) -> None:
    """Writes a file whose kernels are integers, with a scale for each output channel.

    Activations are rounded before a convolution and become floats behind it (QDQ), by ranges that
    the images of `job.int8` have. Attentions compute in floats, as they scale whole maps: only
    their kernels are stored as integers.

    Args:
        source: the same network in float32.
        path: of the file.
        job: how both are made.
        input_name: of the images.
    """
    attentions = _attentions(source)
    quantize_static(
        str(source),
        str(path),
        _Images(calibration_batches(str(job.int8), job), input_name),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", *_LINEAR],
        nodes_to_exclude=attentions,
        per_channel=True,
        # Processors without VNNI add pairs of signed products in 16 bits, which overflow.
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QUInt8,
    )
    model = onnx.load(path)
    store_as_integers(model, attentions)
    onnx.save(model, path)


def _attentions(source: Path) -> list[str]:
    """Names of all linear layers but the classifier, which is the last one."""
    nodes = onnx.load(source, load_external_data=False).graph.node
    return [node.name for node in nodes if node.op_type in _LINEAR][:-1]


class _Images(CalibrationDataReader):  # type: ignore[misc]  # no types are published
    """Batches, as ONNX Runtime asks for them."""

    def __init__(self, batches: Iterator[Any], input_name: str) -> None:
        self._batches, self._name = batches, input_name

    def get_next(self) -> dict[str, Any] | None:
        images = next(self._batches, None)
        return None if images is None else {self._name: images}
