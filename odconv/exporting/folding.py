"""Arrays of an ONNX graph that depend on constants alone, computed ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onnx_ir.passes import Sequential
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass
from onnxscript import optimizer

_ANY: Final = 1 << 40  # elements
_SIZES: Final[Mapping[str, Any]] = {"input_size_limit": _ANY, "output_size_limit": _ANY}


def fold_constants(model: Any) -> None:
    """Leaves kernels as constants, in the shape in which they are used.

    The exporter would do so with small arrays, and let the graph reshape large ones in each run.
    Then a convolution has a computed kernel, which many runtimes refuse.

    Args:
        model: of `torch.onnx.ONNXProgram` that is not optimized, which is changed.
    """
    optimizer.fold_constants(model, **_SIZES)
    # Two thirds of the nodes are gone then, and the rewriting takes the square of their number.
    Sequential(
        RemoveUnusedNodesPass(),
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    )(model)
    optimizer.optimize_ir(model, **_SIZES)
