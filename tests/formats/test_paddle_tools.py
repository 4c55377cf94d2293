"""Checkpoints of a network that Paddle's own tools have wrapped or normed."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from odconv_paddle.models.factory import build_model
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET
from weights_converter import RefusedError, convert, extract, load_into
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)


def network() -> nn.Layer:
    paddle.seed(0)
    model = build_model(SPEC)
    model.eval()
    return model


def assert_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name


def test_a_wrapper_inside_of_a_layer(tmp_path):
    """DataParallel leaves its part out of its own state dict, and not out of that around it."""
    whole, model = nn.Layer(), network()
    expected = extract(model)
    whole.model = paddle.DataParallel(model)
    state = whole.state_dict()
    assert all(name.startswith("model._layers.") for name in state)
    paddle.save(state, str(tmp_path / "x.pdparams"))
    report = convert(tmp_path / "x.pdparams", tmp_path / "y.pth")
    assert report.spec == SPEC
    assert any("stripped '_layers.' from all names" in note for note in report.notes)
    same = build_model(SPEC)
    load_into(same, tmp_path / "x.pdparams")
    assert_arrays(extract(same), expected)


def test_a_table_of_names_beside_the_arrays(tmp_path):
    """Under a key, too, where paddle.save puts it into the inner dict."""
    model = network()
    paddle.save({"model": model.state_dict(), "epoch": 3}, str(tmp_path / "x.pdparams"))
    paddle.save(model.state_dict(), str(tmp_path / "y.pdparams"))
    for name in ("x.pdparams", "y.pdparams"):
        same = build_model(SPEC)
        load_into(same, tmp_path / name)
        assert_arrays(extract(same), extract(model))


def test_weight_norm(tmp_path):
    model = network()
    nn.utils.weight_norm(model.fc, dim=0)
    model.fc.weight_g.set_value(model.fc.weight_g * 1.5)
    model(paddle.rand([2, 3, 40, 56]))  # computes the weight
    paddle.save(model.state_dict(), str(tmp_path / "x.pdparams"))
    report = convert(tmp_path / "x.pdparams", tmp_path / "y.pdparams")
    assert any(note.startswith("folded 1 weight norms") for note in report.notes)
    found = paddle.load(str(tmp_path / "y.pdparams"))["fc.weight"]
    np.testing.assert_allclose(found.numpy(), model.fc.weight.numpy(), rtol=2e-6)


def test_spectral_norm(tmp_path):
    model = network()
    nn.utils.spectral_norm(model.fc)
    paddle.save(model.state_dict(), str(tmp_path / "x.pdparams"))
    with pytest.raises(RefusedError, match="has weights under spectral norm"):
        open_model(Request(tmp_path / "x.pdparams", SPEC))


def test_what_flops_leaves_behind(tmp_path):
    model = network()
    expected = extract(model)
    for layer in (model.conv1, model.fc):  # as paddle.flops does until it ends
        for name in ("total_ops", "total_params"):
            layer.register_buffer(name, paddle.zeros([1], "int64"))
    paddle.save(model.state_dict(), str(tmp_path / "x.pdparams"))
    load_into(same := build_model(SPEC), tmp_path / "x.pdparams")
    assert_arrays(extract(same), expected)
