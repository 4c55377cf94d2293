"""The one place that chooses a network by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from odconv_spec import BackboneSpec, ConvSpec, LinearSpec, MobileNetV2Spec, ResNetSpec
from parity_tests.reference.functional import global_mean
from parity_tests.reference.layers import apply_conv
from parity_tests.reference.mobilenetv2 import mobilenetv2_features
from parity_tests.reference.resnet import resnet_features
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import classifier
from parity_tests.reference.tape import Value


class Network(NamedTuple):
    """How a network computes its last map, and the name of its classifier."""

    features: Callable[[Any, Value, Scope], Value]
    classifier: str


NETWORKS: Mapping[type[BackboneSpec], Network] = MappingProxyType(
    {
        MobileNetV2Spec: Network(mobilenetv2_features, "classifier.1"),
        ResNetSpec: Network(resnet_features, "fc"),
    }
)


def forward(spec: ConvSpec | BackboneSpec, x: Value, at: Scope) -> Value:
    """The output of a layer or the logits of a network. Dropout is left out."""
    if isinstance(spec, ConvSpec):
        return apply_conv(spec, x, at)
    network = network_of(spec)
    pooled = global_mean(network.features(spec, x, at))
    head, at = spec.head, at.under(network.classifier)
    if isinstance(head, LinearSpec):
        return classifier(pooled, at)
    return apply_conv(head, pooled, at).reshape(-1, spec.num_classes)


def network_of(spec: BackboneSpec) -> Network:
    """Raises ValueError for a spec of no known network."""
    if type(spec) not in NETWORKS:
        known = ", ".join(kind.__name__ for kind in NETWORKS)
        raise ValueError(f"spec: expected one of {known}, received {type(spec).__name__}")
    return NETWORKS[type(spec)]
