"""What a portable ONNX graph may hold, and whether one does."""

from __future__ import annotations

from pathlib import Path

import onnx

from weights_converter.errors import MismatchError, legible

_CONVS = ("Conv", "ConvTranspose")
_CONSTANTS = ("Constant", "DequantizeLinear")  # integers of a fixed kernel are made floats again


def check_portable(path: Path) -> None:
    """Raises MismatchError where a convolution of an ONNX file has a computed kernel.

    Many runtimes take none: TensorRT until 8.4, NNAPI, Core ML, and whatever computes in integers.
    """
    graph = onnx.load(path, load_external_data=False).graph
    fixed = {array.name for array in graph.initializer}
    fixed |= {n for node in graph.node if node.op_type in _CONSTANTS for n in node.output}
    computed = [n for n in graph.node if n.op_type in _CONVS and n.input[1] not in fixed]
    if computed:
        raise MismatchError(
            f"{legible(path.name)}: {len(computed)} convolutions have a computed kernel, which a "
            f"portable graph must not have, the first is {legible(computed[0].name)}",
            help="ask for --form compact; the form portable lacks this kind of layer",
        )
