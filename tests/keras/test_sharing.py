"""What the convolutions of a block share, in the configs of blocks."""

from __future__ import annotations

import pytest

from odconv_keras.layers.spec_config import spec_to_config
from odconv_keras.models.mobilenetv2 import InvertedResidual
from odconv_keras.models.resnet import BasicBlock
from odconv_spec import model_spec


@pytest.mark.parametrize(
    ("layer", "name"), [(BasicBlock, "cond_resnet18"), (InvertedResidual, "cond_mobilenetv2_050")]
)
def test_a_block_of_an_earlier_version(layer, name):
    """Its config had the router as a linear layer, and its start in the convolutions."""
    *_, spec = model_spec(name, kernel_num=2, head_init="zero").blocks()
    config = spec_to_config(spec)
    shared = config.pop("shared")
    widths = {key: shared[key] for key in ("in_channels", "out_channels")}
    config["routing"] = {"spec": "LinearSpec", **widths, "bias": True}
    assert layer.from_config({"spec": config}).spec == spec
    assert layer.from_config({"spec": {**config, "routing": None}}).spec.shared is None
