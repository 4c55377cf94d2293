"""Our networks by timm's `create_model`."""

from __future__ import annotations

import sys
import warnings

import pytest
import timm
import torch

from benchmarks.cases import OFFICIAL_CODE, Case, Layer
from benchmarks.contest import contestant, difference
from benchmarks.frameworks.torch import FRAMEWORK
from benchmarks.selection import Selection
from odconv_spec import list_models
from odconv_torch import Features, create_model
from odconv_torch.timm import register_timm_models
from tests.processes import run_process

SMALL = {"stages": [[8, 1], [12, 1], [16, 1], [20, 1]], "stem_channels": 8}


@pytest.fixture(autouse=True)
def registered():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # timm warns when a name is registered twice
        register_timm_models()


def test_importing_registers_nothing():
    code = (
        "import timm, odconv_torch, odconv_torch.timm as ours;"
        "assert not timm.is_model('od_resnet18');"
        "ours.register_timm_models();"
        "assert timm.is_model('od_resnet18')"
    )
    run_process([sys.executable, "-c", code])


def test_our_package_needs_no_timm():
    code = "import sys, odconv_torch; assert 'timm' not in sys.modules"
    run_process([sys.executable, "-c", code])


def test_dynamic_names_are_ours_and_static_ones_are_timms():
    ours = {name for name in list_models() if name.startswith(("od_", "dy_", "cond_"))}
    assert len(ours) == 33
    assert ours <= set(timm.list_models())
    assert timm.model_entrypoint("resnet18").__module__ == "timm.models.resnet"


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet18"])
def test_the_model_is_that_of_create_model(name):
    model = timm.create_model(name, num_classes=10, drop_rate=0.2, in_chans=1).eval()
    same = create_model(name, num_classes=10, dropout=0.2, in_channels=1).eval()
    same.load_state_dict(model.state_dict(), strict=True)
    x = torch.randn(2, 1, 32, 40)
    torch.testing.assert_close(model(x), same(x), rtol=0, atol=0)
    assert model.spec == same.spec
    assert model.num_classes == 10


def test_options_of_the_convolution():
    model = timm.create_model("od_resnet18", kernel_num=3, norm="layer", **SMALL)
    assert model.layer1[0].conv1.spec.kernel_num == 3
    assert model.layer1[0].conv1.attention.ln is not None


def test_features_have_timms_description():
    body = timm.create_model("od_resnet18", features_only=True, out_indices=(1, 3), **SMALL)
    assert isinstance(body, Features)
    assert body.feature_info.channels() == [8, 16]
    assert body.feature_info.reduction() == [4, 16]
    shapes = [tuple(found.shape) for found in body(torch.randn(1, 3, 64, 96))]
    assert shapes == [(1, 8, 16, 24), (1, 16, 4, 6)]
    every = timm.create_model("dy_resnet18", features_only=True, **SMALL)
    assert every.feature_info.reduction() == [2, 4, 8, 16, 32]


def test_data_configuration_and_checkpoints_of_timm(tmp_path):
    model = timm.create_model("od_resnet18", **SMALL)
    assert timm.data.resolve_data_config({}, model=model)["input_size"] == (3, 224, 224)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "model.pth")
    loaded = timm.create_model("od_resnet18", checkpoint_path=str(tmp_path / "model.pth"), **SMALL)
    assert torch.equal(loaded.fc.weight, model.fc.weight)


def test_pretrained_is_refused():
    with pytest.raises(ValueError, match="od_resnet18: expected pretrained=False, received True"):
        timm.create_model("od_resnet18", pretrained=True)


def test_unknown_options():
    with pytest.raises(
        ValueError, match=r"od_resnet18 has the options .*; received drop_path_rate"
    ):
        timm.create_model("od_resnet18", drop_path_rate=0.1)


def test_the_benchmark_runs_their_condconv_beside_ours():
    case = Case(OFFICIAL_CODE, Layer(6, 10, 9, stride=2), "cond", 3, "training", 2)
    theirs, ours = (contestant(FRAMEWORK, case, name)() for name in ("official", "ours"))
    assert difference(FRAMEWORK, case, {"official": theirs, "ours": ours}) < 1e-5
    kinds = {c.kind for c in Selection(official=True).cases("torch") if c.group == OFFICIAL_CODE}
    assert kinds == {"od", "dy", "cond"}
