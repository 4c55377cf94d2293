"""Batch norms over two processes against those of one over the whole batch, in float64."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.distributed as dist
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle.layers import BatchNorm1D, BatchNorm2D
from odconv_paddle.train.processes import Processes
from odconv_paddle.train.sync_norm import SyncBatchNorm1D, average_statistics, synchronised

SHARES = {"equal": (4, 4), "unequal": (5, 2), "one each": (1, 1)}
SIZES = ((1, 1), (3, 2))  # of an attention's norm, and of a map's
CASES = [(name, size) for name in SHARES for size in SIZES]


def network():
    paddle.seed(3)
    model = nn.Sequential(randomised(BatchNorm2D(6)))
    model.train()
    return model


def batch(shares, size):
    generator = np.random.default_rng(4)
    return generator.normal(size=(2, sum(shares), 6, *size))


def outcome(model, x, weights):
    x = paddle.to_tensor(x, stop_gradient=False)
    y = model(x)
    (y * paddle.to_tensor(weights)).sum().backward()
    return {
        "output": y.numpy(),
        "of the input": x.grad.numpy(),
        "parameters": np.stack([model[0].weight.grad.numpy(), model[0].bias.grad.numpy()]),
        "statistics": np.stack([model[0]._mean.numpy(), model[0]._variance.numpy()]),
    }


def in_a_process(folder):
    paddle.set_default_dtype("float64")
    dist.init_parallel_env()
    rank, found = dist.get_rank(), {}
    for name, size in CASES:
        shares = SHARES[name]
        parts = [np.split(part, [shares[0]])[rank] for part in batch(shares, size)]
        found[f"{name}{size}"] = outcome(synchronised(network()), *parts)
    for number, model in enumerate((network(), synchronised(network()))):
        model[0]._mean.set_value(model[0]._mean + rank)
        average_statistics(model, Processes(rank, 2))
        found[f"averaged{number}"] = model[0]._mean.numpy()
    np.save(f"{folder}/{rank}.npy", found, allow_pickle=True)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    dist.spawn(in_a_process, (str(folder),), nprocs=2, backend="gloo")
    return [np.load(folder / f"{rank}.npy", allow_pickle=True).item() for rank in range(2)]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "size"), CASES, ids=str)
def test_two_processes_are_one(of_two, name, size):
    expected = outcome(network(), *batch(SHARES[name], size))
    found = [outcomes[f"{name}{size}"] for outcomes in of_two]
    # Paddle's kernel, which one process has for maps, rounds epsilon to float32.
    close = {"rtol": 1e-7, "atol": 1e-7} if size == (3, 2) else {"rtol": 1e-12, "atol": 1e-12}
    for what in ("output", "of the input"):
        both = np.concatenate([part[what] for part in found])
        np.testing.assert_allclose(both, expected[what], **close)
    total = found[0]["parameters"] + found[1]["parameters"]
    np.testing.assert_allclose(total, expected["parameters"], **close)
    for part in found:
        np.testing.assert_allclose(part["statistics"], expected["statistics"], rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_statistics_of_separate_norms_are_averaged(of_two):
    start = network()[0]._mean.numpy()
    for rank, outcomes in enumerate(of_two):
        np.testing.assert_allclose(outcomes["averaged0"], start + 0.5, rtol=1e-12)
        # Those of synchronised norms are equal everywhere in truth, and left alone.
        np.testing.assert_allclose(outcomes["averaged1"], start + rank, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_one_value_in_all_uses_the_running_statistics(monkeypatch):
    """One process of one: the sum over all is the value itself."""
    monkeypatch.setattr("odconv_paddle.train.sync_norm.dist.all_reduce", lambda tensor: None)
    x = np.random.default_rng(2).normal(size=(2, 1, 6, 1, 1))
    expected, found = (outcome(model, *x) for model in (network(), synchronised(network())))
    for what, array in expected.items():
        np.testing.assert_allclose(found[what], array, rtol=1e-12, atol=1e-12)


def test_names_and_arrays_stay():
    model = nn.Sequential(nn.Sequential(BatchNorm1D(6, weight_attr=False)), BatchNorm2D(6))
    names, bias = list(model.state_dict()), model[0][0].bias
    synchronised(model)
    assert isinstance(model[0][0], SyncBatchNorm1D)
    assert isinstance(model[1], BatchNorm2D)  # the converter knows it as such
    assert list(model.state_dict()) == names
    assert model[0][0].bias is bias
    model.eval()
    assert model[1](paddle.ones([2, 6, 1, 1])).shape == [2, 6, 1, 1]
