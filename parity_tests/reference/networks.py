"""The one place that chooses a network by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from odconv_spec import (
    BackboneSpec,
    ConvSpec,
    DCDLinearSpec,
    KWLinearSpec,
    LinearSpec,
    MobileNetV2Spec,
    RecalibrationSpec,
    ResNetSpec,
    ShuffleNetV2Spec,
)
from odconv_spec.plugins import row
from parity_tests.reference.dcd import dcd_linear
from parity_tests.reference.functional import global_max, global_mean
from parity_tests.reference.kernel_warehouse import KWChainSpec, kw_chain, kw_linear
from parity_tests.reference.layers import GROUP, apply_conv
from parity_tests.reference.mobilenetv2 import mobilenetv2_features
from parity_tests.reference.recalibration import recalibrate
from parity_tests.reference.resnet import resnet_features
from parity_tests.reference.scope import Scope
from parity_tests.reference.shufflenetv2 import shufflenetv2_features
from parity_tests.reference.static import linear_layer
from parity_tests.reference.tape import Value


class Network(NamedTuple):
    """How a network computes its last map, and the name of its classifier."""

    features: Callable[[Any, Value, Scope], Value]
    classifier: str


NETWORKS: Final[Mapping[type[BackboneSpec], Network]] = {
    MobileNetV2Spec: Network(mobilenetv2_features, "classifier.1"),
    ResNetSpec: Network(resnet_features, "fc"),
    ShuffleNetV2Spec: Network(shufflenetv2_features, "classifier.0"),
}

LINEAR: Final[Mapping[type[LinearSpec], Callable[[Any, Value, Scope], Value]]] = {
    LinearSpec: linear_layer,
    DCDLinearSpec: dcd_linear,
    KWLinearSpec: kw_linear,
}
POOLS: Final[Mapping[str, Callable[[Value], Value]]] = {"avg": global_mean, "max": global_max}


def forward(
    spec: ConvSpec | LinearSpec | RecalibrationSpec | KWChainSpec | BackboneSpec,
    x: Value,
    at: Scope,
) -> Value:
    """The output of a layer, or the logits or features of a network. Dropout is left out."""
    if isinstance(spec, ConvSpec):
        return apply_conv(spec, x, at)
    if isinstance(spec, LinearSpec):
        return LINEAR[type(spec)](spec, x, at)
    if isinstance(spec, RecalibrationSpec):
        return recalibrate(spec, x, at)
    if isinstance(spec, KWChainSpec):
        return kw_chain(spec, x, at)
    network = network_of(spec)
    last = network.features(spec, x, at)
    if not spec.global_pool:
        return last
    pooled = POOLS[spec.global_pool](last)
    head, at = spec.head, at.under(network.classifier)
    if head is None:
        return pooled.reshape(*pooled.shape[:2])
    return forward(head, pooled, at).reshape(-1, spec.num_classes)


def network_of(spec: BackboneSpec) -> Network:
    """How to compute the network. Raises ValueError where there is no reference for its family."""
    return NETWORKS.get(type(spec)) or row(GROUP, {}, spec.family)
