"""The maps of a backbone at each stride, for detectors."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from odconv_torch import Features, create_model

SMALL = {"stages": [[8, 1], [12, 2], [16, 1], [20, 1]], "stem_channels": 6}


def test_the_backbone_keeps_its_classifier_and_shares_its_layers():
    model = create_model("od_resnet18", **SMALL)
    body = Features(model, (1, 2))
    assert body.backbone.layer1 is model.layer1
    assert not hasattr(body.backbone, "layer3")
    kept = ("conv1.", "bn1.", "layer1.", "layer2.")
    names = [f"backbone.{name}" for name in model.state_dict() if name.startswith(kept)]
    assert list(body.state_dict()) == names


def test_only_what_is_needed_is_run():
    model = create_model("od_resnet18", **SMALL).eval()
    model.layer3.register_forward_pre_hook(lambda m, x: pytest.fail("ran"))
    assert len(model.forward_stages(torch.randn(1, 3, 64, 96), (0, 2))) == 2


def test_copies_and_pickles():
    body = create_model("dy_resnet18", features_only=True, head_init="published", **SMALL).eval()
    body.set_temperature(30.0)
    x = torch.randn(1, 3, 64, 96)
    for twin in (copy.deepcopy(body), pickle.loads(pickle.dumps(body))):
        for found, expected in zip(twin(x), body(x), strict=True):
            assert torch.equal(found, expected)
