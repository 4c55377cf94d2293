"""Whole networks: structure against the plain equations, gradients against differences."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from odconv_spec import (
    BackboneSpec,
    ConvChoice,
    ConvSpec,
    MobileNetV2Spec,
    NormSpec,
    ODConvSpec,
    ResNetSpec,
    Role,
    model_spec,
)
from parity_tests.reference import evaluate, features, random_arrays
from parity_tests.reference.functional import batch_norm, conv, max_pool, relu, relu6
from parity_tests.reference.layers import CONVOLUTIONS, apply_conv
from parity_tests.reference.networks import network_of
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value
from tests.quick import quick_rows

SMALL = {
    "basic": (ResNetSpec, {"stages": ((6, 2), (8, 1)), "stem_channels": 6}),
    "bottleneck": (
        ResNetSpec,
        {"block": "bottleneck", "stages": ((8, 1), (12, 2)), "stem_channels": 8},
    ),
    "mobilenetv2": (
        MobileNetV2Spec,
        {"width": 0.5, "stages": ((1, 16, 1, 1), (3, 24, 2, 2), (2, 40, 1, 1))},
    ),
}
CONVS = {
    kind: ConvChoice.of(kind, **({} if kind == "static" else {"kernel_num": 2}))
    for kind in ("static", "od", "dy", "cond")
}


def small(network: str, conv: str) -> BackboneSpec:
    family, options = SMALL[network]
    return family(conv=CONVS[conv], num_classes=5, **options)


def inputs(spec: BackboneSpec, batch: int = 3) -> tuple[dict, np.ndarray]:
    x = np.random.default_rng(6).standard_normal((batch, spec.in_channels, 30, 22))
    return random_arrays(spec.parameters(), seed=7), x


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", CONVS)
@pytest.mark.parametrize("network", SMALL)
def test_gradients(network, kind, training, slope) -> None:
    spec = small(network, kind)
    arrays, x = inputs(spec)
    weight = np.random.default_rng(8).standard_normal((3, 5))
    options = {"training": training, "temperature": 1.7}
    run = evaluate(spec, arrays, x, grad_output=weight, **options)
    assert run.grads.keys() == {p.name for p in spec.parameters() if p.role.trainable}
    everything, gradients = arrays | {"x": x}, {**run.grads, "x": run.grad_input}
    for name in ("x", *list(run.grads)[::9]):

        def weighted(array: np.ndarray, name: str = name) -> float:
            moved = everything | {name: array}
            return float((evaluate(spec, moved, moved.pop("x"), **options).output * weight).sum())

        # Along the gradient the slope is its length, and nothing cancels. The steps are so short
        # because thousands of activations have a kink.
        length = np.linalg.norm(gradients[name])
        assert length > 1e-3, name
        direction = 1e-3 * gradients[name] / length
        expected = slope(weighted, everything[name], direction) / 1e-3
        np.testing.assert_allclose(length, expected, rtol=1e-5, atol=1e-6, err_msg=name)


class Plain:
    """Static layers by name, without any of the specs of the blocks."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def conv_norm(self, x: Value, conv_name: str, norm_name: str, **geometry: int) -> Value:
        kernel = self.arrays[f"{conv_name}.weight"]
        spec = ConvSpec(
            in_channels=x.shape[1],
            out_channels=len(kernel),
            kernel_size=kernel.shape[2:],
            padding=kernel.shape[-1] // 2,
            **geometry,
        )
        scale, shift, mean, variance = (
            self.arrays[f"{norm_name}.{leaf}"]
            for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        y = conv(x, Value(kernel), spec)
        return batch_norm(y, Value(scale), Value(shift), mean, variance, training=False).output

    def logits(self, x: Value, name: str) -> np.ndarray:
        pooled = x.data.mean((2, 3))
        return pooled @ self.arrays[f"{name}.weight"].T + self.arrays[f"{name}.bias"]


def plain_basic(plain: Plain, x: Value) -> Value:
    block = plain.conv_norm
    x = max_pool(relu(block(x, "conv1", "bn1", stride=2)), 3, 2, 1)
    for name in ("layer1.0", "layer1.1"):
        y = relu(block(x, f"{name}.conv1", f"{name}.bn1"))
        x = relu(x + block(y, f"{name}.conv2", f"{name}.bn2"))
    y = relu(block(x, "layer2.0.conv1", "layer2.0.bn1", stride=2))
    y = block(y, "layer2.0.conv2", "layer2.0.bn2")
    return relu(block(x, "layer2.0.downsample.0", "layer2.0.downsample.1", stride=2) + y)


def plain_bottleneck(plain: Plain, x: Value) -> Value:
    block = plain.conv_norm
    x = max_pool(relu(block(x, "conv1", "bn1", stride=2)), 3, 2, 1)
    for name, stride in (("layer1.0", 1), ("layer2.0", 2), ("layer2.1", 1)):
        y = relu(block(x, f"{name}.conv1", f"{name}.bn1"))
        y = relu(block(y, f"{name}.conv2", f"{name}.bn2", stride=stride))
        y = block(y, f"{name}.conv3", f"{name}.bn3")
        if name.endswith("0"):
            x = block(x, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
        x = relu(x + y)
    return x


def plain_mobilenetv2(plain: Plain, x: Value) -> Value:
    block = plain.conv_norm
    x = relu6(block(x, "features.0.0", "features.0.1", stride=2))
    y = relu6(block(x, "features.1.conv.0.0", "features.1.conv.0.1", groups=16))
    x = block(y, "features.1.conv.1", "features.1.conv.2")
    for index, stride, hidden in ((2, 2, 24), (3, 1, 48), (4, 1, 32)):
        name = f"features.{index}.conv"
        y = relu6(block(x, f"{name}.0.0", f"{name}.0.1"))
        y = relu6(block(y, f"{name}.1.0", f"{name}.1.1", groups=hidden, stride=stride))
        y = block(y, f"{name}.2", f"{name}.3")
        x = x + y if index == 3 else y
    return relu6(block(x, "features.5.0", "features.5.1"))


@pytest.mark.parametrize(
    ("network", "plain_network", "head"),
    [
        ("basic", plain_basic, "fc"),
        ("bottleneck", plain_bottleneck, "fc"),
        ("mobilenetv2", plain_mobilenetv2, "classifier.1"),
    ],
)
def test_static_networks_are_their_plain_equations(
    network: str, plain_network: Callable[[Plain, Value], Value], head: str, relative_error
) -> None:
    spec = small(network, "static")
    arrays, x = inputs(spec)
    plain = Plain(arrays)
    expected = plain_network(plain, Value(x))
    assert relative_error(features(spec, arrays, x), expected.data) < 1e-14
    assert relative_error(evaluate(spec, arrays, x).output, plain.logits(expected, head)) < 1e-14


@pytest.mark.parametrize("network", SMALL)
def test_the_classifier_is_on_the_mean_of_the_features(network) -> None:
    spec = small(network, "od")
    arrays, x = inputs(spec)
    pooled = features(spec, arrays, x, temperature=4.0).mean((2, 3))
    kernel, bias = (arrays[p.name] for p in spec.parameters()[-2:])
    found = evaluate(spec, arrays, x, temperature=4.0).output
    np.testing.assert_allclose(found, pooled @ kernel.T + bias, rtol=1e-12)


@pytest.mark.parametrize("network", SMALL)
def test_the_classifier_of_condconv_is_a_convolution_of_the_mean(network) -> None:
    spec = small(network, "cond")
    arrays, x = inputs(spec)
    pooled = features(spec, arrays, x).mean((2, 3))
    name = {p.name: p for p in spec.parameters()}
    path = "fc" if "fc.weight" in name else "classifier.1"
    logits = pooled @ arrays[f"{path}.routing.weight"].T + arrays[f"{path}.routing.bias"]
    weights = 1 / (1 + np.exp(-logits))
    kernels = np.tensordot(weights, arrays[f"{path}.weight"][..., 0, 0], 1)  # (batch, out, in)
    expected = np.einsum("boi,bi->bo", kernels, pooled) + arrays[f"{path}.bias"]
    np.testing.assert_allclose(evaluate(spec, arrays, x).output, expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["od", "dy", "cond"])
@pytest.mark.parametrize("network", SMALL)
def test_every_dynamic_layer_reports(network, kind) -> None:
    spec = small(network, kind)
    arrays, x = inputs(spec)
    run = evaluate(spec, arrays, x, training=True)
    experts = [p.name for p in spec.parameters() if p.role is Role.EXPERT_KERNELS]
    assert run.attentions.keys() == {name.removesuffix(".weight") for name in experts}
    statistics = {name for name in arrays if "running" in name}
    assert run.statistics.keys() == statistics
    assert all((run.statistics[name] != arrays[name]).any() for name in statistics)


def test_attentions_of_a_network_belong_to_their_layers() -> None:
    spec = small("bottleneck", "od")
    arrays, x = inputs(spec)
    found = evaluate(spec, arrays, x, temperature=3.0).attentions["layer2.0.conv2"]
    shapes = {name: attention.shape for name, attention in found.items()}
    assert shapes == {
        "channel": (3, 12, 1, 1),
        "filter": (3, 12, 1, 1),
        "spatial": (3, 1, 1, 1, 3, 3),
        "kernel": (3, 2, 1, 1, 1, 1),
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    quick_rows(
        [("resnet18", "od"), *product(["mobilenetv2_050"], CONVS)],
        product(["resnet18", "mobilenetv2_050"], CONVS),
    ),
)
def test_random_published_networks_listen_to_their_input(name, kind) -> None:
    """Otherwise the parity of their outputs would say nothing about their first layers."""
    spec = model_spec(name if kind == "static" else f"{kind}_{name}", num_classes=7)
    x = np.random.default_rng(1).standard_normal((2, 3, 48, 40))
    logits = evaluate(spec, random_arrays(spec.parameters(), seed=3), x).output
    assert 0.1 < logits.std() < 10
    assert (logits[0] - logits[1]).std() > 1e-3


def test_unknown_specs_are_an_error() -> None:
    class OtherConv(ODConvSpec):
        kind = "other"

    class OtherNet(ResNetSpec):
        family = "othernet"

    spec = OtherConv(in_channels=2, out_channels=2, kernel_size=1)
    assert type(spec) not in CONVOLUTIONS
    with pytest.raises(ValueError, match="received 'other'"):
        apply_conv(spec, Value(np.ones((1, 2, 3, 3))), Scope({}))
    with pytest.raises(ValueError, match="received 'othernet'"):
        network_of(OtherNet())


def test_the_norms_of_the_reference_are_those_of_the_spec() -> None:
    assert (NormSpec.eps, NormSpec.momentum) == (1e-5, 0.1)
