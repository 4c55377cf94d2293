"""Arrays of an ONNX graph that depend on constants alone, computed ahead."""

from __future__ import annotations

from typing import Any, Final

from onnxscript import optimizer

_ANY: Final = 1 << 40  # elements


def fold_constants(model: Any) -> None:
    """Leaves kernels as constants, in the shape in which they are used.

    The exporter does so with small arrays, and lets the graph reshape large ones in each run. Then
    a convolution has a computed kernel, which many runtimes refuse.

    Args:
        model: of `torch.onnx.ONNXProgram`, which is changed.
    """
    optimizer.optimize_ir(
        model, input_size_limit=_ANY, output_size_limit=_ANY, onnx_shape_inference=False
    )
