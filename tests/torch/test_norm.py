"""Batch norm: torch's own, but for a single value per channel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odconv_torch.layers import BatchNorm1d, BatchNorm2d, BatchNorm3d

PAIRS = (
    (BatchNorm1d, nn.BatchNorm1d),
    (BatchNorm2d, nn.BatchNorm2d),
    (BatchNorm3d, nn.BatchNorm3d),
)


def filled(norm):
    torch.manual_seed(1)
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_()
    norm.running_var.uniform_(0.5, 1.5)
    return norm


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("shape", [(2, 3, 1, 1, 1), (1, 3, 2, 1, 1), (4, 3, 5, 2, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_equals_torch(ours, theirs, shape, training):
    rank = int(ours.__name__[-2])
    x = torch.randn(*shape[: 2 + rank])
    first, second = filled(ours(3)).train(training), filled(theirs(3)).train(training)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_one_value_per_channel_uses_the_running_statistics(ours, theirs):
    rank = int(ours.__name__[-2])
    x = torch.randn(1, 3, *[1] * rank)
    norm = filled(ours(3)).train()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    torch.testing.assert_close(norm(x), filled(theirs(3)).eval()(x), rtol=0, atol=0)
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


def test_without_running_statistics_torch_raises_as_ever():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        BatchNorm2d(3, track_running_stats=False)(torch.randn(1, 3, 1, 1))


def test_is_found_by_code_that_looks_for_batch_norms():
    assert isinstance(BatchNorm2d(3), nn.BatchNorm2d)
