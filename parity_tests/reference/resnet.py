"""ResNet, https://arxiv.org/abs/1512.03385, with the stride on the 3x3 convolution."""

from __future__ import annotations

from odconv_spec import ResidualSpec, ResNetSpec
from parity_tests.reference.functional import max_pool, relu
from parity_tests.reference.layers import conv_norm, with_shared
from parity_tests.reference.recalibration import recalibrate
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value


def resnet_features(spec: ResNetSpec, x: Value, at: Scope) -> Value:
    """The map of the last block."""
    x = relu(conv_norm(spec.stem, x, at, ("conv1", "bn1")))
    x = max_pool(x, size=3, stride=2, padding=1)
    for block in spec.blocks():
        x = residual_block(block, x, at.under(block.name))
    return x


def residual_block(block: ResidualSpec, x: Value, at: Scope) -> Value:
    """relu(F(x) + x), where F has no activation after its last convolution."""
    y, at = x, with_shared(block.shared, x, at)
    for number, conv in enumerate(block.convs, start=1):
        y = conv_norm(conv, relu(y) if number > 1 else y, at, (f"conv{number}", f"bn{number}"))
    if block.recalibration:
        y = recalibrate(block.recalibration, y, at.under(block.recalibration.kind))
    if block.downsample:
        x = conv_norm(block.downsample, x, at, ("downsample.0", "downsample.1"))
    return relu(y + x)
