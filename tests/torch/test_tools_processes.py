"""Two processes with a half of the batch each, and of the arrays: DDP and FSDP2."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from helpers import randomised
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from odconv_torch import CondConv2d, DyConv2d, ODConv2d

WORLD = 2
WHOLE = StateDictOptions(full_state_dict=True)


def network(device=None):
    options = {"device": device, "dtype": torch.float64}
    return nn.Sequential(
        ODConv2d(4, 8, 3, **options), DyConv2d(8, 8, 3, **options), CondConv2d(8, 6, 1, **options)
    )


def prepared(model):
    """Trains on running statistics, so that both halves of the batch see the same norms."""
    for module in model.train().modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 4, 9, 8, dtype=torch.float64, generator=generator)


def meet(rank, folder):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD
    )


def gradients(model, x):
    model.zero_grad()
    model(x).square().mean().backward()
    return [value.grad for value in model.parameters()]


def data_parallel(rank, folder):
    meet(rank, folder)
    whole = prepared(randomised(network()))
    wrapped = DistributedDataParallel(copy.deepcopy(whole), find_unused_parameters=False)
    half = batch().chunk(WORLD)[rank]
    gradients(wrapped, half)  # a second step raises where an array had no gradient in the first
    for found, expected in zip(gradients(wrapped, half), gradients(whole, batch()), strict=True):
        torch.testing.assert_close(found, expected)
    dist.destroy_process_group()


def fully_sharded(rank, folder):
    from torch.distributed.fsdp import fully_shard

    meet(rank, folder)
    mesh = init_device_mesh("cpu", (WORLD,))
    whole = prepared(randomised(network()))
    expected = gradients(whole, batch())
    for device in (None, "meta"):
        model = copy.deepcopy(whole) if device is None else network(device)
        for layer in model:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        if device == "meta":
            start(model, whole)
        for found, value in zip(
            gradients(prepared(model), batch().chunk(WORLD)[rank]), expected, strict=True
        ):
            torch.testing.assert_close(found.full_tensor(), value)
        stored = get_model_state_dict(model, options=WHOLE)
        torch.testing.assert_close(dict(stored), dict(whole.state_dict()))
    dist.destroy_process_group()


def start(model, whole):
    """What FSDP2's documents do with a model of the meta device."""
    model.to_empty(device="cpu")
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    bank = model[0].weight.full_tensor()
    # The spread of Kaiming's start: sqrt(2 / (8 * 9)).
    assert bank.std().item() == pytest.approx((2 / 72) ** 0.5, rel=0.15)
    temperatures = [b.item() for name, b in model.named_buffers() if "temperature" in name]
    assert temperatures == [1.0, 1.0]
    set_model_state_dict(model, whole.state_dict(), options=WHOLE)


@pytest.mark.slow
@pytest.mark.parametrize("work", [data_parallel, fully_sharded])
def test_two_processes_have_the_gradients_of_one(work, tmp_path):
    torch.multiprocessing.spawn(work, (str(tmp_path),), nprocs=WORLD)
