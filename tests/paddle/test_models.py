"""The networks: names, sizes, options, and behaviour as Paddle layers."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from canonical import paddle_name, paddle_shape

from odconv_paddle import create_model, list_models
from odconv_spec import model_spec
from tests.quick import quick

RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]}
SMALL = {
    name: MOBILENET if "mobilenet" in name else RESNET
    for name in list_models()
    if name.endswith(("resnet18", "resnet50", "mobilenetv2_050"))
}


def small(name, **options):
    return create_model(name, num_classes=5, **SMALL[name] | options)


def test_starting_values():
    model = create_model("resnet18", num_classes=100)
    for conv, fan_out in ((model.conv1, 64 * 49), (model.layer4[0].downsample[0], 512)):
        assert conv.weight.numpy().std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
        assert conv.bias is None
    assert model.fc.weight.shape == [512, 100]
    assert model.fc.weight.numpy().std() == pytest.approx(0.01, rel=0.03)
    assert not model.fc.bias.any()


# Deeper and wider ones have the same parts, and tests/spec has the names of each.
COMPUTED_STARTS = ("fdconv_", "kw_")  # which LazyGuard cannot record
SHALLOW = [name for name in list_models() if name.endswith(("resnet18", "mobilenetv2_050"))]


@pytest.mark.parametrize("name", quick(SHALLOW, list_models()))
def test_every_model_stores_what_its_spec_says(name):
    if name.startswith(COMPUTED_STARTS):
        with paddle.LazyGuard(), pytest.raises(ValueError, match=r"without it"):
            create_model(name)
        model = create_model(name)
    else:
        with paddle.LazyGuard():
            model = create_model(name)
    parameters = model_spec(name).parameters()
    found = [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
    assert found == [(paddle_name(p), paddle_shape(p)) for p in parameters]
    trainable = [p for p in model.parameters() if not p.stop_gradient]
    assert sum(p.size for p in trainable) == model.spec.trainable_count()


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


# `paddle.summary` counts the arrays of layers that are called, and no layer calls a warehouse or
# what makes the numbers of WeightNet; a bottleneck of DCD is not as narrow.
COUNTED = [n for n in SMALL if not n.startswith(("kw_", "weightnet_")) and n != "dcd_resnet50"]


@pytest.mark.parametrize("name", COUNTED)
def test_summary_counts_the_parameters(name, capsys):
    model = small(name)
    counts = paddle.summary(model, (2, 3, 32, 32))
    assert counts["trainable_params"] == model.spec.trainable_count()
    assert "Trainable params" in capsys.readouterr().out
