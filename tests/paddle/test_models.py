"""The networks: names, sizes, options, and behaviour as Paddle layers."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from canonical import paddle_name, paddle_shape

import odconv_paddle
from odconv_paddle import create_model, list_models, set_temperature
from odconv_spec import model_spec

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))
SMALL = {
    "od_resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "od_resnet50": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "od_mobilenetv2_050": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]},
    "resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
}


def small(name, **options):
    return create_model(name, num_classes=5, **SMALL[name] | options)


@pytest.mark.parametrize("entry", OFFICIAL)
def test_state_dict_is_the_official_one(entry):
    name, _, kernel_num = entry.partition("/")
    options = {"kernel_num": int(kernel_num)} if kernel_num else {}
    with paddle.LazyGuard():
        state = create_model(name, **options).state_dict()
    parameters = model_spec(name, **options).parameters()
    assert [p.name for p in parameters] == list(OFFICIAL[entry])
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        paddle_name(p): paddle_shape(p) for p in parameters
    }
    assert list(state) == [paddle_name(p) for p in parameters]


def test_starting_values():
    model = create_model("resnet18", num_classes=100)
    for conv, fan_out in ((model.conv1, 64 * 49), (model.layer4[0].downsample[0], 512)):
        assert conv.weight.numpy().std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
        assert conv.bias is None
    assert model.fc.weight.shape == [512, 100]
    assert model.fc.weight.numpy().std() == pytest.approx(0.01, rel=0.03)
    assert not model.fc.bias.any()


@pytest.mark.parametrize("name", list_models())
def test_every_name_is_a_function_too(name):
    assert getattr(odconv_paddle, name).args == (name,)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    model = small(name, **({"head_init": "published"} if name.startswith("od_") else {}))
    x = paddle.randn([4, 3, 32, 40])
    paddle.nn.functional.cross_entropy(model(x), paddle.arange(4)).backward()
    trainable = [p for p in model.parameters() if not p.stop_gradient]
    assert sum(p.size for p in trainable) == model.spec.trainable_count()
    assert all(p.grad is not None and p.grad.any() for p in trainable)


@pytest.mark.parametrize("name", SMALL)
def test_features_then_head_is_the_model(name):
    model = small(name, dropout=0.5)
    model.eval()
    x = paddle.randn([2, 3, 33, 40])
    features = model.forward_features(x)
    assert features.shape[1] == model.num_features
    assert features.ndim == 4
    np.testing.assert_array_equal(model.forward_head(features), model(x))


def test_options_reach_the_layers():
    model = small("od_resnet18", kernel_num=3, in_channels=1, dropout=0.3, min_channels=4)
    assert model.layer1[0].conv1.weight.shape[0] == 3
    assert model.layer1[0].conv1.attention.fc.weight.shape[0] == 4
    assert model(paddle.randn([2, 1, 32, 32])).shape == [2, 5]
    assert model.dropout.p == 0.3


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_of_one_trains(name):
    model = small(name)
    y = model(paddle.randn([1, 3, 8, 8]))  # the last map has a single pixel
    y.sum().backward()
    assert y.isfinite().all()


def test_temperature_reaches_every_layer_and_changes_the_output():
    model = small("od_resnet18", head_init="published")
    model.eval()
    x = paddle.randn([2, 3, 32, 32])
    cool = model(x)
    model.set_temperature(30.0)
    values = [m.temperature.item() for m in model.sublayers() if hasattr(m, "temperature")]
    assert values == [30.0] * 4
    assert not np.allclose(model(x), cool)
    set_temperature(model, 1.0)
    np.testing.assert_array_equal(model(x), cool)


def test_a_static_model_has_no_temperature_to_set():
    small("resnet18").set_temperature(30.0)


def test_deepcopy_is_independent():
    model = small("od_mobilenetv2_050")
    twin = copy.deepcopy(model)
    twin.set_temperature(5.0)
    first = twin.parameters()[0]
    first.set_value(paddle.zeros_like(first))
    assert model.parameters()[0].any()
    assert all(m.temperature == 1 for m in model.sublayers() if hasattr(m, "temperature"))


def test_saved_and_loaded(tmp_path):
    model, twin = small("od_resnet18", head_init="published"), small("od_resnet18")
    path = str(tmp_path / "model.pdparams")
    paddle.save(model.state_dict(), path)
    missing, unexpected = twin.set_state_dict(paddle.load(path))
    assert missing == []
    assert unexpected == []
    x = paddle.randn([2, 3, 32, 32])
    model.eval()
    twin.eval()
    np.testing.assert_array_equal(model(x), twin(x))


@pytest.mark.parametrize("name", SMALL)
def test_summary_counts_the_parameters(name, capsys):
    model = small(name)
    counts = paddle.summary(model, (2, 3, 32, 32))
    assert counts["trainable_params"] == model.spec.trainable_count()
    assert "Trainable params" in capsys.readouterr().out


def test_unknown_models_and_options():
    with pytest.raises(ValueError, match="unknown model 'od_resnet19': did you mean"):
        create_model("od_resnet19")
    with pytest.raises(ValueError, match=r"resnet18 has the options .*; received kernel_num"):
        create_model("resnet18", kernel_num=4)
