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

from odconv_paddle import create_model, list_models, set_temperature
from odconv_spec import model_spec

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))
RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]}
SMALL = {
    name: MOBILENET if "mobilenet" in name else RESNET
    for name in list_models()
    if name.endswith(("resnet18", "resnet50", "mobilenetv2_050"))
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


@pytest.mark.parametrize("name", ["mobilenetv2_050", "cond_mobilenetv2_050", "cond_resnet18"])
def test_classifiers_start_small(name):
    """Ten logits of Kaiming normal kernels over the fan-out would be about 20."""
    paddle.seed(0)
    model = create_model(name, num_classes=10)
    head = model.fc if "resnet" in name else model.classifier[1]
    assert head.weight.numpy().std() == pytest.approx(0.01, rel=0.03)
    assert not head.bias.any()


@pytest.mark.parametrize("name", list_models())
def test_every_model_stores_what_its_spec_says(name):
    with paddle.LazyGuard():
        model = create_model(name)
    parameters = model_spec(name).parameters()
    found = [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
    assert found == [(paddle_name(p), paddle_shape(p)) for p in parameters]
    trainable = [p for p in model.parameters() if not p.stop_gradient]
    assert sum(p.size for p in trainable) == model.spec.trainable_count()


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    options = {"head_init": "published"} if name.startswith(("od_", "dy_", "cond_")) else {}
    if name.startswith("dy_"):
        options["hidden_channels"] = 16  # few ReLUs may all be dead
    model = small(name, **options)
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


@pytest.mark.parametrize(("name", "layers"), [("od_resnet18", 4), ("dy_resnet18", 5)])
def test_temperature_reaches_every_layer_and_changes_the_output(name, layers):
    model = small(name, head_init="published")
    model.eval()
    x = paddle.randn([2, 3, 32, 32])
    cool = model(x)
    model.set_temperature(30.0)
    values = [m.temperature.item() for m in model.sublayers() if hasattr(m, "temperature")]
    assert values == [30.0] * layers
    assert not np.allclose(model(x), cool)
    set_temperature(model, 1.0)
    np.testing.assert_array_equal(model(x), cool)


@pytest.mark.parametrize("name", ["resnet18", "cond_resnet18"])
def test_a_model_without_temperature_is_left_alone(name):
    small(name).set_temperature(30.0)


def test_blocks_of_condconv_share_a_router():
    block = small("cond_resnet50").layer2[0]
    assert [block.conv1.routing, block.conv2.routing, block.conv3.routing] == [None] * 3
    weights = []
    block.conv3.register_forward_pre_hook(lambda layer, inputs: weights.append(inputs[1]))
    x = paddle.randn([2, 32, 9, 8])
    block(x)
    np.testing.assert_array_equal(weights[0], block.routing(x))
    assert small("cond_resnet18", head_init="zero").layer1[0].routing.weight.any().item() is False


@pytest.mark.parametrize("name", ["cond_resnet18", "cond_mobilenetv2_050"])
def test_the_classifier_of_condconv_is_a_convolution(name):
    model = small(name)
    model.eval()
    head = model.fc if name == "cond_resnet18" else model.classifier[1]
    features = paddle.randn([2, model.num_features, 3, 2])
    expected = head(features.mean([2, 3], keepdim=True))
    assert expected.shape == [2, 5, 1, 1]
    found = model.forward_head(features)
    np.testing.assert_allclose(found, expected.flatten(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["od_mobilenetv2_050", "dy_resnet18", "cond_resnet50"])
def test_deepcopy_is_independent(name):
    model = small(name)
    twin = copy.deepcopy(model)
    twin.set_temperature(5.0)
    first = twin.parameters()[0]
    first.set_value(paddle.zeros_like(first))
    assert model.parameters()[0].any()
    assert all(m.temperature == 1 for m in model.sublayers() if hasattr(m, "temperature"))


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet50"])
def test_saved_and_loaded(name, tmp_path):
    model, twin = small(name, head_init="published"), small(name)
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
