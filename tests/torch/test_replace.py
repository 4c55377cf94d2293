"""Static convolutions of any network replaced by dynamic ones."""

from __future__ import annotations

import pytest
import torch
from helpers import KINDS, close, randomised
from torch import nn

from odconv_torch import create_model, replace_convs


class Shared(nn.Module):
    """One convolution under two names, inside a block of its own."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.first = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.blocks = nn.ModuleDict({"again": nn.Sequential(self.first, nn.ReLU(), self.first)})
        self.up = nn.ConvTranspose2d(4, 5, 2)

    def forward(self, x):
        return self.up(self.blocks["again"](self.first(self.stem(x))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_in_several_places_stays_one(kind):
    model = randomised(Shared()).double().eval()
    x = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    expected = model(x)
    replaced = replace_convs(model, kind)
    assert replaced.model is model
    assert [change.path for change in replaced.changes] == ["first"]
    assert [path for path, _ in replaced.skipped] == ["up"]
    assert model.first is model.blocks["again"][0]
    assert model.first is model.blocks["again"][2]
    close(model(x), expected, 1e-10)


def test_a_static_backbone_becomes_the_dynamic_one():
    """Of the published backbones only the shortcuts and the classifier are chosen otherwise."""
    small = {"stages": [[8, 1], [12, 2]], "stem_channels": 8, "num_classes": 4}
    static = create_model("resnet18", **small)
    replace_convs(static, "od", lambda path, conv: ".conv" in path, kernel_num=1)
    dynamic = create_model("od_resnet18", kernel_num=1, **small)
    assert list(static.state_dict()) == list(dynamic.state_dict())
    dynamic.load_state_dict(static.state_dict(), strict=True)
