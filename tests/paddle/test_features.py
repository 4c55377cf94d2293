"""The maps of a backbone's stages, for detectors."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised

from odconv_paddle import Features, create_model, set_temperature
from odconv_spec import FeatureInfo

RESNET = {"stages": [[4, 1], [6, 2], [8, 1]], "stem_channels": 4, "num_classes": 3}
MOBILENET = {"stages": [[1, 8, 1, 1], [2, 16, 2, 2], [2, 24, 1, 2]], "num_classes": 3}
SMALL = {
    "resnet18": RESNET,
    "od_resnet50": RESNET,
    "dy_resnet18": RESNET,
    "cond_resnet50": RESNET,
    "mobilenetv2_050": MOBILENET,
    "od_mobilenetv2_050": MOBILENET,
    "cond_mobilenetv2_050": MOBILENET,
}


def small(name):
    model = randomised(create_model(name, **options(name)))
    model.eval()
    return model


def options(name):
    wide = {"hidden_channels": 16} if name.startswith("dy_") else {}  # few ReLUs may all be dead
    return SMALL[name] | wide


@pytest.mark.parametrize("name", SMALL)
def test_maps_are_as_described(name):
    model = small(name)
    height, width = 41, 66
    maps = model.forward_stages(paddle.randn([2, 3, height, width]))
    assert len(maps) == len(model.feature_info)
    for info, y in zip(model.feature_info, maps, strict=True):
        sizes = [-(-size // info.stride) for size in (height, width)]
        assert y.shape == [2, info.channels, *sizes]


def test_resnet_maps_are_those_of_its_layers():
    model = small("od_resnet50")
    x = paddle.randn([2, 3, 33, 40])
    stem = paddle.nn.functional.relu(model.bn1(model.conv1(x)))
    first = model.layer1(model.maxpool(stem))
    second = model.layer2(first)
    expected = (stem, first, second, model.layer3(second))
    for found, y in zip(model.forward_stages(x), expected, strict=True):
        np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(model.forward_features(x), expected[-1])


def test_mobilenet_maps_are_those_of_its_blocks():
    model = small("od_mobilenetv2_050")
    assert model.feature_info == (
        FeatureInfo("features.1", 8, 2),
        FeatureInfo("features.3", 8, 4),
        FeatureInfo("features.4", 16, 8),
    )
    x = paddle.randn([2, 3, 33, 40])
    y, expected = x, {}
    for index, layer in enumerate(model.features):
        y = layer(y)
        expected[f"features.{index}"] = y
    for info, found in zip(model.feature_info, model.forward_stages(x), strict=True):
        np.testing.assert_array_equal(found, expected[info.name])
    np.testing.assert_array_equal(model.forward_features(x), y)


@pytest.mark.parametrize("indices", [(0,), (2, 1), [1], (0, 1, 2)])
@pytest.mark.parametrize("name", SMALL)
def test_features_are_the_chosen_maps(name, indices):
    model = small(name)
    x = paddle.randn([2, 3, 33, 40])
    every = model.forward_stages(x)
    body = Features(model, indices)
    body.eval()
    assert body.feature_info == tuple(model.feature_info[index] for index in indices)
    for maps in (body(x), model.forward_stages(x, indices)):
        for index, y in zip(indices, maps, strict=True):
            np.testing.assert_array_equal(y, every[index])
    assert "fc" in dir(model) or "classifier" in dir(model)  # the backbone is left as it is
    assert model(x).shape == [2, 3]


@pytest.mark.parametrize("indices", [(0,), (0, 2), (1,)])
@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_trains_and_has_its_name(name, indices):
    model = small(name)
    body = Features(model, indices)
    body.train()
    set_temperature(body, 2.0)
    sum(y.square().mean() for y in body(paddle.randn([3, 3, 33, 40]))).backward()
    trainable = {n: p for n, p in body.named_parameters() if not p.stop_gradient}
    assert all(p.grad is not None and p.grad.any() for p in trainable.values())
    assert set(body.state_dict()) < set(model.state_dict())
    assert not any(key.startswith(("fc", "classifier")) for key in body.state_dict())
    twin = Features(create_model(name, **options(name)), indices)
    missing, _ = twin.set_state_dict(model.state_dict())
    assert missing == []


@pytest.mark.parametrize("name", ["dy_resnet18", "cond_mobilenetv2_100"])
def test_published_networks_offer_five_maps(name):
    with paddle.LazyGuard():
        body = create_model(name, features_only=True)
    assert [info.stride for info in body.feature_info] == [4, 8, 16, 32]
    widths = [64, 128, 256, 512] if name == "dy_resnet18" else [24, 32, 96, 320]
    assert [info.channels for info in body.feature_info] == widths


def test_temperature_of_features():
    body = create_model("dy_resnet18", features_only=True, out_indices=[1], **RESNET)
    body.set_temperature(5.0)
    assert body.layer1[0].conv1.attention.temperature == 5.0
    assert not hasattr(body, "layer2")


@pytest.mark.parametrize("indices", [(0, 4), (-1,), ()])
def test_wrong_indices(indices):
    model = small("resnet18")
    message = r"out_indices: expected some of 0 \(bn1\), .* 3 \(layer3\); received"
    with pytest.raises(ValueError, match=message):
        Features(model, indices)
    with pytest.raises(ValueError, match=message):
        model.forward_stages(paddle.randn([1, 3, 32, 32]), indices)
    with pytest.raises(ValueError, match=message):
        create_model("resnet18", features_only=True, out_indices=indices, **RESNET)


def test_indices_need_features_only():
    with pytest.raises(ValueError, match="out_indices: expected features_only=True beside it"):
        create_model("resnet18", out_indices=(1, 2))
