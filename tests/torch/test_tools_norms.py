"""Weight norm and spectral norm of a bank of kernels, in torch's new and old form."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import KINDS, LAYERS, randomised
from torch import nn
from torch.nn import utils
from torch.nn.utils import parametrizations, parametrize

NEW, OLD = parametrizations, utils


@pytest.fixture(params=KINDS)
def layer(request):
    found = LAYERS[request.param][1](4, 6, 3, padding=1, dtype=torch.float64)
    return randomised(found).eval()


def some_map():
    return torch.randn(3, 4, 5, 7, dtype=torch.float64)


def with_bank(layer, bank):
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        layer.weight.copy_(bank)
    return layer


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("of", [NEW, OLD], ids=["parametrizations", "utils"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_weight_norm_keeps_the_function_and_trains(layer, of, axis):
    plain, x = copy.deepcopy(layer), some_map()
    normed = of.weight_norm(layer, dim=axis)
    close(normed(x), plain(x))
    arrays = dict(normed.named_parameters())
    length, direction = (
        ("weight_g", "weight_v")
        if of is OLD
        else ("parametrizations.weight.original0", "parametrizations.weight.original1")
    )
    with torch.no_grad():
        arrays[length] *= 2
        arrays[direction] *= 3
    close(normed(x), with_bank(plain, 2 * plain.weight)(x))
    normed(x).square().sum().backward()
    assert arrays[length].grad.abs().max() > 0


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_what_is_taken_off_again_is_a_plain_layer(layer):
    plain, x = copy.deepcopy(layer), some_map()
    parametrize.remove_parametrizations(NEW.weight_norm(layer), "weight")
    OLD.remove_weight_norm(OLD.weight_norm(layer))
    assert set(layer.state_dict()) == set(plain.state_dict())
    close(layer(x), plain(x))


@pytest.mark.parametrize("of", [NEW, OLD], ids=["parametrizations", "utils"])
def test_spectral_norm_is_that_of_the_kernels_as_rows(layer, of):
    """No kernel, and no mixture whose weights sum to 1, is of a larger norm than 1."""
    plain, x = copy.deepcopy(layer), some_map()
    normed = of.spectral_norm(layer, n_power_iterations=1000).train()
    normed(x)
    normed.eval()
    bank = plain.weight.detach()
    expected = bank / torch.linalg.matrix_norm(bank.flatten(1), ord=2)
    normed(x)
    torch.testing.assert_close(normed.weight, expected, rtol=1e-3, atol=1e-3)
    assert all(torch.linalg.matrix_norm(kernel.flatten(1), ord=2) < 1 for kernel in normed.weight)


class OfEachKernel(nn.Module):
    """The example of the documents."""

    def forward(self, bank):
        norms = torch.linalg.matrix_norm(bank.flatten(2), ord=2)
        return bank / norms.reshape(-1, *[1] * (bank.dim() - 1))


def test_spectral_norm_of_each_kernel(layer):
    plain, x = copy.deepcopy(layer), some_map()
    parametrize.register_parametrization(layer, "weight", OfEachKernel())
    norms = torch.stack([torch.linalg.svdvals(k.flatten(1))[0] for k in layer.weight])
    close(norms, torch.ones_like(norms))
    close(layer(x), with_bank(plain, layer.weight.detach())(x))
    layer(x).sum().backward()
    assert layer.parametrizations.weight.original.grad.abs().max() > 0


def test_norms_of_a_whole_network_leave_attentions_alone():
    """A loop over the convolutions of torch meets the static ones."""
    od = randomised(LAYERS["od"][1](4, 6, 3, padding=1, dtype=torch.float64))
    net = nn.Sequential(nn.Conv2d(4, 4, 1, dtype=torch.float64), od).eval()
    x = some_map()
    expected = net(x)
    for module in list(net.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrizations.weight_norm(module)
    close(net(x), expected)
    names = {n for n, m in net.named_modules() if parametrize.is_parametrized(m)}
    assert names == {"0"}
