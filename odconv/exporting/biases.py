"""Biases of an ONNX graph that stand behind a convolution, put into it.

ONNX Runtime does so where the kernel is a constant. That of a dynamic convolution is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnxscript import ir
from onnxscript.rewriter import pattern, rewrite

BIAS = 2  # its place among the inputs of a convolution


class _Bias(pattern.RewriteRuleClassBase):
    """Conv(x, kernel) + constant -> Conv(x, kernel, constant)."""

    def pattern(self, op: Any, x: Any, kernel: Any, bias: Any) -> Any:
        return op.Conv(x, kernel, _allow_other_attributes=True, _outputs=["y"]) + bias

    def check(self, context: Any, x: Any, kernel: Any, bias: Any, y: Any) -> Any:
        found = pattern.MatchResult()
        shape = kernel.shape
        if shape is None or not is_of_channels(bias, shape[0], len(shape)):
            return found.fail("not a number for each channel")
        if len(y.producer().inputs) > BIAS:
            return found.fail("the convolution has a bias already")
        return found

    def rewrite(self, op: Any, x: Any, kernel: Any, bias: Any, y: Any) -> Any:
        flat = ir.tensor(np.ravel(bias.const_value.numpy()))  # (out,)
        bias = op.initializer(flat, f"{bias.name}_of_conv")
        return op.Conv(x, kernel, bias, **y.producer().attributes)


def is_of_channels(bias: Any, channels: int, rank: int) -> bool:
    """Whether a value is a constant with a number for each channel of maps with `rank` axes."""
    axes = () if bias.const_value is None else tuple(bias.const_value.shape)
    one_each = axes[1 - rank :][:1] == (channels,)
    return one_each and bias.const_value.size == channels


def fold_biases(model: Any) -> None:
    """Leaves no addition of a bias behind a convolution that could take it.

    Args:
        model: of `torch.onnx.ONNXProgram`, which is changed.
    """
    bias: Any = _Bias()  # whose methods have no types
    rewrite(model, [bias.rule()])
