"""ShuffleNetV2, https://arxiv.org/abs/1807.11164, whose blocks part and shuffle channels."""

from __future__ import annotations

from collections.abc import Sequence

from odconv_spec import ShuffleNetV2Spec, ShuffleSpec, UnitSpec
from parity_tests.reference.functional import max_pool, relu
from parity_tests.reference.layers import conv_norm, with_shared
from parity_tests.reference.ops import element, pad
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value


def shufflenetv2_features(spec: ShuffleNetV2Spec, x: Value, at: Scope) -> Value:
    """The map of the last convolution."""
    x = relu(conv_norm(spec.stem, x, at.under("first_conv"), ("0", "1")))
    x = max_pool(x, size=3, stride=2, padding=1)
    for block in spec.blocks():
        x = shuffle_block(block, x, at.under(block.name))
    return relu(conv_norm(spec.last, x, at.under("conv_last"), ("0", "1")))


def shuffle_block(block: ShuffleSpec, x: Value, at: Scope) -> Value:
    """What the branch makes behind what passes it by, convolved where the block halves the map."""
    kept, seen = (x, x) if block.beside else parted(x)
    at = with_shared(block.shared, seen, at)
    return joined(in_order(block.beside, kept, at), in_order(block.branch, seen, at))


def in_order(units: Sequence[UnitSpec], x: Value, at: Scope) -> Value:
    for unit in units:
        x = conv_norm(unit.conv, x, at, (unit.path, unit.norm_path))
        x = relu(x) if unit.activated else x
    return x


def parted(x: Value) -> tuple[Value, Value]:
    """The channels of even places, and those of odd ones."""
    batch, channels, *space = x.shape
    pairs = x.reshape(batch, channels // 2, 2, *space)
    return element(pairs, 2, 0), element(pairs, 2, 1)


def joined(first: Value, second: Value) -> Value:
    """The channels of both, one after the other."""
    none = [(0, 0) for _ in first.shape[2:]]
    before, after = first.shape[1], second.shape[1]
    return pad(first, [(0, after), *none]) + pad(second, [(before, 0), *none])
