"""The maps of a backbone for detectors."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from odconv_spec import MobileNetV2Spec, model_spec
from parity_tests.reference import random_arrays
from parity_tests.reference.functional import max_pool, relu
from parity_tests.reference.layers import conv_norm
from parity_tests.reference.mobilenetv2 import conv_norm_relu6, inverted_residual
from parity_tests.reference.resnet import residual_block
from parity_tests.reference.scope import Scope, values_of
from parity_tests.reference.tape import Value
from weights_converter import assign, extract

# Heads that start as published let gradients reach what weighs the kernels. The hidden layer of a
# DyConv is wide, because few ReLUs may all be dead.
OPTIONS = {
    "resnet18": {"stages": [[4, 1], [6, 1]], "stem_channels": 4},
    "od_resnet18": {
        "stages": [[4, 2], [6, 1]],
        "stem_channels": 4,
        "kernel_num": 2,
        "head_init": "published",
    },
    "dy_resnet50": {
        "stages": [[4, 1], [4, 1]],
        "stem_channels": 8,
        "kernel_num": 2,
        "hidden_channels": 16,
        "head_init": "published",
    },
    "cond_mobilenetv2_050": {
        "stages": [[1, 16, 1, 1], [3, 16, 2, 2], [3, 16, 1, 2]],
        "kernel_num": 2,
    },
}
CHOICES = [  # out_indices and the places that they mean
    (None, (1, 2)),
    (1, (2,)),
    (2, (1, 2)),
    ((-1,), (2,)),
    ((1, -3), (0, 1)),
    ((2, 0, 2, -1), (0, 2)),
]


def problem(name, seed=0):
    """A small network's spec, its arrays, and images (batch, channels, height, width)."""
    spec = model_spec(name, num_classes=5, **OPTIONS[name])
    x = np.random.default_rng(seed).standard_normal((2, 3, 33, 40))
    return spec, random_arrays(spec.parameters(), seed), x


def reference_maps(spec, arrays, x, temperature=1.0):
    """The last map of each stride, and those behind them."""
    values = values_of(spec.parameters(), arrays, gradients=False)
    at, x, maps = Scope(values, temperature=temperature), Value(x), {}
    if isinstance(spec, MobileNetV2Spec):
        x = conv_norm_relu6(spec.stem, x, at)
        for block in spec.blocks():
            x = maps[block.name] = inverted_residual(block, x, at.under(block.name))
        maps[spec.last.name] = conv_norm_relu6(spec.last, x, at)
    else:
        maps["bn1"] = relu(conv_norm(spec.stem, x, at, ("conv1", "bn1")))
        x = max_pool(maps["bn1"], size=3, stride=2, padding=1)
        for block in spec.blocks():
            stage = block.name.partition(".")[0]
            x = maps[stage] = residual_block(block, x, at.under(block.name))
    return [maps[info.name].data for info in infos_of(spec)]


def infos_of(spec):
    return (*spec.feature_info(), *spec.further_maps())


def agree(maps, expected):
    for y, other in zip(maps, expected, strict=True):
        np.testing.assert_allclose(y, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_maps_are_those_of_the_reference(kit, name):
    spec, arrays, x = problem(name)
    model = kit.build(spec, arrays)
    maps = kit.run(model.forward_stages, x)
    agree(maps, reference_maps(spec, arrays, x)[: len(spec.feature_info())])
    for y, info in zip(maps, model.feature_info, strict=True):
        assert y.shape == (2, info.channels, -(-33 // info.stride), -(-40 // info.stride))


@pytest.mark.parametrize(
    ("out_indices", "places"),
    [*CHOICES, ((3,), (3,)), ((1, 3), (1, 3)), ((3, -1), (2, 3)), (range(4), (0, 1, 2, 3))],
)
def test_a_body_gives_the_chosen_maps(kit, out_indices, places):
    """The fourth of this network is the one behind its stages, which only its place asks for."""
    spec, arrays, x = problem("cond_mobilenetv2_050")
    model = kit.build(spec, arrays)
    body = kit.package.Features(model, out_indices)
    assert body.out_indices == places
    assert body.feature_info == tuple(infos_of(spec)[place] for place in places)
    expected = reference_maps(spec, arrays, x)
    agree(kit.run(body, x), [expected[place] for place in places])


@pytest.mark.parametrize(("out_indices", "places"), CHOICES[1:])
def test_a_backbone_gives_the_chosen_maps(kit, out_indices, places):
    spec, arrays, x = problem("od_resnet18")
    expected = reference_maps(spec, arrays, x)
    model = kit.build(spec, arrays)
    maps = kit.run(lambda images: model.forward_stages(images, out_indices), x)
    agree(maps, [expected[place] for place in places])


def test_a_backbone_gives_the_map_behind_its_stages(kit):
    spec, arrays, x = problem("cond_mobilenetv2_050")
    model = kit.build(spec, arrays)
    maps = kit.run(lambda images: model.forward_stages(images, (0, 3)), x)
    expected = reference_maps(spec, arrays, x)
    agree(maps, [expected[0], expected[3]])
    agree(kit.run(model.forward_features, x)[None], expected[3:])


def test_every_parameter_of_a_body_with_the_map_behind_learns(kit):
    spec, arrays, x = problem("cond_mobilenetv2_050")
    body = kit.package.Features(kit.build(spec, arrays), (1, 3))
    assert kit.idle(body, np.concatenate([x, -x[:1]])) == []
    head = {parameter.name for parameter in spec.head_parameters()}
    assert set(extract(body)) == arrays.keys() - head


@pytest.mark.parametrize("maps", [range(4), (1, 3)])
@pytest.mark.parametrize("stage", [1, 2])
def test_a_body_with_the_map_behind_freezes_its_stages(kit, stage, maps):
    """Stages are those of the backbone, whichever maps are chosen."""
    spec, arrays, x = problem("cond_mobilenetv2_050")
    body = kit.package.Features(kit.build(spec, arrays), maps)
    body.freeze_stages(stage)
    kit.run(body, x, training=True)
    found = extract(body)
    moved = {name for name, array in found.items() if not np.array_equal(array, arrays[name])}
    behind = {p.name for p in spec.parameters() if not p.role.trainable and p.name in found}
    end = int(spec.feature_info()[stage].name.rpartition(".")[2])
    assert moved == {name for name in behind if int(name.split(".")[1]) > end}


def test_create_model_gives_a_body(kit):
    create = kit.package.create_model
    small = {"stages": [[4, 1], [6, 1], [8, 1], [12, 1]], "stem_channels": 4}
    body = create("od_resnet18", features_only=True, **small)
    assert [info.stride for info in body.feature_info] == [4, 8, 16, 32]
    body = create("od_resnet18", features_only=True, out_indices=-1 * np.array([2, 1]), **small)
    assert [info.channels for info in body.feature_info] == [8, 12]


@pytest.mark.parametrize("name", OPTIONS)
def test_every_parameter_of_a_body_learns(kit, name):
    spec, arrays, x = problem(name)
    body = kit.package.Features(kit.build(spec, arrays), (0, 1))
    assert kit.idle(body, np.concatenate([x, -x[:1]])) == []


@pytest.mark.parametrize("name", OPTIONS)
def test_a_body_has_the_layers_of_the_backbone_that_it_needs(kit, name):
    spec, arrays, x = problem(name)
    model = kit.build(spec)
    body = kit.package.Features(model, (0, 1))
    behind = ("layer2", "fc.", "features.4", "features.5", "classifier")
    assert set(extract(body)) == {key for key in arrays if not key.startswith(behind)}
    assign(model, arrays)
    agree(kit.run(body, x), reference_maps(spec, arrays, x)[:2])
    assert kit.run(model, x).shape == (2, 5)


def test_the_temperature_of_a_body(kit):
    spec, arrays, x = problem("dy_resnet50")
    body = kit.package.Features(kit.build(spec, arrays), 1)
    body.set_temperature(7.0)
    agree(kit.run(body, x), reference_maps(spec, arrays, x, temperature=7.0)[-1:])


def test_maps_that_do_not_exist(kit):
    spec, arrays, x = problem("od_resnet18")
    model = kit.build(spec, arrays)
    with pytest.raises(ValueError, match=r"3 \(features.5\), or from -3 to -1; received \(4,\)"):
        kit.package.Features(kit.build(problem("cond_mobilenetv2_050")[0]), (4,))
    for wrong in (0, 4, -1, (3,), (0, -4), (), (True,), (0.0,), "0"):
        expected = r"out_indices: expected .* from 1 to 3.*2 \(layer2\)"
        with pytest.raises(ValueError, match=expected):
            kit.package.Features(model, wrong)
        with pytest.raises(ValueError, match=r"out_indices: .*; received"):
            kit.run(partial(model.forward_stages, out_indices=wrong), x)


def test_indices_of_a_classifier(kit):
    with pytest.raises(ValueError, match=r"features_only=True beside it, received \(1, 2\) alone"):
        kit.package.create_model("resnet18", out_indices=(1, 2))
