"""LoRA of peft: beside our layers, and told to take them."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from odconv_torch import CondConv2d, DyConv2d, ODConv2d


def network():
    return nn.Sequential(
        ODConv2d(4, 8, 3),
        DyConv2d(8, 8, 3),
        CondConv2d(8, 6, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ).eval()


def test_linear_layers_alone_are_adapted():
    model, x = network(), torch.randn(2, 4, 9, 8)
    expected = model(x)
    adapted = get_peft_model(model, LoraConfig(target_modules="all-linear", r=2)).eval()
    assert torch.equal(adapted(x), expected)
    trained = {name for name, value in adapted.named_parameters() if value.requires_grad}
    assert all(".5." in name and "lora" in name for name in trained)
    assert len(trained) == 2
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if name in trained:
                value.normal_()
    changed = adapted(x)
    assert not torch.allclose(changed, expected)
    torch.testing.assert_close(adapted.merge_and_unload()(x), changed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["routing", "fc", "channel_fc", "fc1", "0"])
def test_our_layers_are_refused(name):
    with pytest.raises(ValueError, match=r"(?s)Target module .* is not supported"):
        get_peft_model(network(), LoraConfig(target_modules=[name], r=2))


def test_banks_are_refused():
    config = LoraConfig(target_modules=["5"], target_parameters=["0.weight"], r=2)
    with pytest.raises(ValueError, match="5 dimensional"):
        get_peft_model(network(), config)


def test_our_layers_train_in_full_beside_adapters():
    config = LoraConfig(target_modules=["5"], modules_to_save=["2"], r=2)
    adapted = get_peft_model(network(), config)
    x = torch.randn(2, 4, 9, 8)
    adapted(x).square().sum().backward()
    trained = {name for name, value in adapted.named_parameters() if value.grad is not None}
    assert sum(".2." in name for name in trained) == 4
    assert not any(".0." in name for name in trained)
