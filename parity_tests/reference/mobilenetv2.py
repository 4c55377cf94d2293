"""MobileNetV2, https://arxiv.org/abs/1801.04381."""

from __future__ import annotations

from odconv_spec import ConvNormSpec, InvertedResidualSpec, MobileNetV2Spec
from parity_tests.reference.functional import relu6
from parity_tests.reference.layers import conv_norm, with_shared
from parity_tests.reference.recalibration import recalibrate
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value


def mobilenetv2_features(spec: MobileNetV2Spec, x: Value, at: Scope) -> Value:
    """The map of the last convolution."""
    x = conv_norm_relu6(spec.stem, x, at)
    for block in spec.blocks():
        x = inverted_residual(block, x, at.under(block.name))
    return conv_norm_relu6(spec.last, x, at)


def conv_norm_relu6(spec: ConvNormSpec, x: Value, at: Scope) -> Value:
    return relu6(conv_norm(spec.conv, x, at.under(spec.name), ("0", "1")))


def inverted_residual(block: InvertedResidualSpec, x: Value, at: Scope) -> Value:
    """Expansion and depthwise convolution with an activation each, then a projection without."""
    y, at = x, with_shared(block.shared, x, at)
    for index, conv in enumerate(block.activated):
        y = relu6(conv_norm(conv, y, at, (f"conv.{index}.0", f"conv.{index}.1")))
    last = len(block.activated)
    y = conv_norm(block.project, y, at, (f"conv.{last}", f"conv.{last + 1}"))
    if block.recalibration:
        y = recalibrate(block.recalibration, y, at.under(f"conv.{last + 2}"))
    return x + y if block.residual else y
