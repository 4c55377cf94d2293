"""The networks against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import model_spec
from parity_tests.reference import evaluate, features, random_arrays
from weights_converter import extract

# Heads that start as published let gradients reach what weighs the kernels. The hidden layer of a
# DyConv is wide, because few ReLUs may all be dead.
BASIC = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
BOTTLENECK = {"stages": [[4, 1], [4, 1]], "stem_channels": 8}
MOBILE = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]}
DYNAMIC = {"kernel_num": 2, "head_init": "published"}
OPTIONS = {
    "resnet18": BASIC,
    "mobilenetv2_050": MOBILE,
    "od_resnet18": BASIC | DYNAMIC,
    "od_resnet50": BOTTLENECK | DYNAMIC,
    "od_mobilenetv2_050": MOBILE | DYNAMIC,
    "dy_resnet18": BASIC | DYNAMIC | {"hidden_channels": 16},
    "dy_mobilenetv2_050": MOBILE | DYNAMIC | {"hidden_channels": 16},
    "cond_resnet50": BOTTLENECK | DYNAMIC,
    "cond_mobilenetv2_050": MOBILE | DYNAMIC,
}
USUAL = ("mobilenetv2_050", "od_resnet50", "dy_resnet18", "cond_mobilenetv2_050")
EACH = [n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in OPTIONS]
X = np.random.default_rng(0).standard_normal((4, 3, 33, 40))


def small(name, **options):
    """The spec of a small network and its arrays."""
    spec = model_spec(name, **{"num_classes": 5} | OPTIONS[name] | options)
    return spec, random_arrays(spec.parameters(), 3)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", EACH)
def test_a_network_is_that_of_the_reference(kit, name):
    spec, arrays = small(name, dropout=0.5)
    model = kit.build(spec, arrays)
    kit.package.set_temperature(model, 2.0)
    expected = evaluate(spec, arrays, X, temperature=2.0).output
    close(kit.run(model, X), expected)
    maps = kit.run(model.forward_features, X)
    close(maps, features(spec, arrays, X, temperature=2.0))
    assert maps.shape[1] == model.num_features
    close(kit.run(model.forward_head, maps), expected)


POOLED = [("od_resnet50", 5, "max"), ("cond_mobilenetv2_050", 0, "avg"), ("dy_resnet18", 0, "")]
POOLED += [
    pytest.param(name, classes, pool, marks=pytest.mark.slow)
    for name in ("od_resnet50", "cond_mobilenetv2_050")
    for classes, pool in ((5, "max"), (0, "avg"), (0, "max"), (0, ""))
    if (name, classes, pool) not in POOLED
]


@pytest.mark.parametrize(("name", "classes", "pool"), POOLED)
def test_pooling_and_networks_without_a_head(kit, name, classes, pool):
    spec, arrays = small(name, num_classes=classes, global_pool=pool)
    model = kit.build(spec, arrays)
    assert set(extract(model)) == set(arrays)
    close(kit.run(model, X), expected := evaluate(spec, arrays, X).output)
    close(kit.run(model.forward_head, kit.run(model.forward_features, X)), expected)


@pytest.mark.parametrize("name", EACH)
def test_every_parameter_learns(kit, name):
    assert kit.idle(kit.build(*small(name)), X) == []


@pytest.mark.parametrize("name", EACH)
def test_a_batch_of_one_trains(kit, name):
    spec, arrays = small(name)
    x = X[:1, :, :8, :8]  # the last map has a single pixel, whose statistics are no statistics
    expected = evaluate(spec, arrays, x, training=True).output
    close(kit.run(kit.build(spec, arrays), x, training=True), expected)


def test_options_reach_the_layers(kit):
    spec, arrays = small("od_resnet18", kernel_num=3, in_channels=1, min_channels=4)
    model = kit.build(spec, arrays)
    found = extract(model)
    assert found["layer1.0.conv1.weight"].shape[0] == 3
    assert found["layer1.0.conv1.attention.fc.weight"].shape[0] == 4
    assert kit.run(model, X[:, :1]).shape == (4, 5)


@pytest.mark.parametrize("name", ["resnet18", "cond_resnet50", "cond_mobilenetv2_050"])
def test_classifiers_start_small(kit, name):
    """Kaiming normal kernels over the fan-out would be seven times as large."""
    spec = model_spec(name, num_classes=400, **OPTIONS[name])
    found = extract(kit.build(spec, dtype="float32"))
    head = "fc" if "resnet" in name else "classifier.1"
    assert found[f"{head}.weight"].std() == pytest.approx(0.01, rel=0.05)
    assert not found[f"{head}.bias"].any()


def test_unknown_models_and_options(kit):
    with pytest.raises(ValueError, match="unknown model 'od_resnet19': did you mean"):
        kit.package.create_model("od_resnet19")
    with pytest.raises(ValueError, match=r"resnet18 has the options .*; received kernel_num"):
        kit.package.create_model("resnet18", kernel_num=4)
