"""Batch norms over two processes against torch's over the whole batch, in float64."""

from __future__ import annotations

from multiprocessing import set_forkserver_preload

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from odconv_torch.layers import BatchNorm1d, BatchNorm2d
from odconv_torch.train.processes import Processes
from odconv_torch.train.sync_norm import SyncNorm, average_statistics, synchronised

CPU = torch.device("cpu")
SHARES = {"equal": (4, 4), "unequal": (5, 2), "one value in all": (1, 0), "one each": (1, 1)}
SIZES = ((), (3, 2))  # of an attention's norm, and of a map's


def network(rank):
    generator = torch.Generator().manual_seed(3)
    norm = (BatchNorm1d if rank == 0 else BatchNorm2d)(6, dtype=torch.float64)
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) + 0.5)
    return nn.Sequential(norm).train()


def batch(shares, size):
    generator = torch.Generator().manual_seed(4)
    shape = (sum(shares), 6, *size)
    return torch.randn(2, *shape, generator=generator, dtype=torch.float64).unbind()


def outcome(model, x, weights):
    x = x.clone().requires_grad_()
    y = model(x)
    (y * weights).sum().backward()
    return {
        "output": y.detach(),
        "of the input": x.grad,
        "parameters": torch.stack([p.grad for p in model.parameters()]),
        "statistics": torch.stack([model[0].running_mean, model[0].running_var]),
        "count": model[0].num_batches_tracked,
    }


def every_outcome():
    for name, shares in SHARES.items():
        for size in SIZES:
            if name != "one value in all" or size == ():
                yield (name, size), shares, size


def in_a_process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {}
    for name, shares, size in every_outcome():
        parts = [part.split(shares)[rank] for part in batch(shares, size)]
        found[name] = outcome(synchronised(network(len(size)), CPU), *parts)
    found["averaged"] = averaged(rank)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def averaged(rank):
    plain, synced = network(0), synchronised(network(0), CPU)
    for model in (plain, synced):
        model[0].running_mean.add_(rank)
        average_statistics(model, Processes(rank, 2, CPU))
    return plain[0].running_mean, synced[0].running_mean


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    # A server imports torch for both.
    set_forkserver_preload(["torch", "odconv_torch.train.sync_norm"])
    mp.start_processes(in_a_process, (str(folder),), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("case", list(every_outcome()), ids=str)
def test_two_processes_are_one(of_two, case):
    name, shares, size = case
    expected = outcome(network(len(size)), *batch(shares, size))
    found = [outcomes[name] for outcomes in of_two]
    for what in ("output", "of the input"):
        close(torch.cat([part[what] for part in found]), expected[what])
    close(found[0]["parameters"] + found[1]["parameters"], expected["parameters"])
    for part in found:
        close(part["statistics"], expected["statistics"])
        assert part["count"] == expected["count"]


def test_statistics_of_separate_norms_are_averaged(of_two):
    start = network(0)[0].running_mean
    for rank, outcomes in enumerate(of_two):
        plain, synced = outcomes["averaged"]
        close(plain, start + 0.5)
        close(synced, start + rank)  # are equal everywhere in truth, and left alone


def test_names_and_arrays_stay():
    model = network(1)
    names, weight = list(model.state_dict()), model[0].weight
    synchronised(model, CPU)
    assert isinstance(model[0], SyncNorm)
    assert list(model.state_dict()) == names
    assert model[0].weight is weight
    assert model.eval()(torch.ones(2, 6, 1, 1, dtype=torch.float64)).shape == (2, 6, 1, 1)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
