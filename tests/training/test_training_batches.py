"""Every sample once, the same for a seed and an epoch, on any number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_training import (
    TrainingError,
    batch_indices,
    sample_seed,
    shards,
    share,
    step_seed,
    steps_per_epoch,
)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (24, 8, [8, 8, 8]),
        (32, 24, [24, 8]),
        (31, 24, [31]),  # a rest of 7 joins
        (1437, 64, [64] * 22 + [29]),
        (5, 64, [5]),
        (70, 32, [32, 38]),
        (10, 4, [4, 6]),
    ],
)
def test_sizes(count, batch_size, sizes):
    batches = batch_indices(count, batch_size, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    assert steps_per_epoch(count, batch_size) == len(sizes)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))


def test_orders_follow_seed_and_epoch():
    orders = {
        tuple(np.concatenate(batch_indices(50, 16, seed, epoch)).tolist())
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(orders) == 16
    assert np.array_equal(batch_indices(50, 16, 3, 2)[1], batch_indices(50, 16, 3, 2)[1])


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_are_the_batch(world):
    batch = batch_indices(29, 29, 1, 0)[0]
    parts = [share(batch, rank, world) for rank in range(world)]
    assert np.array_equal(np.concatenate(parts), batch)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_share_needs_a_sample():
    with pytest.raises(TrainingError, match="at least 9 samples for 9 processes, received 8"):
        share(np.arange(8), 0, 9)


@pytest.mark.parametrize("count", [2, 10, 361])
def test_shards_score_every_sample_once(count):
    parts = [shards(count, rank, 4) for rank in range(4)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))


def test_seeds_differ_and_fit_every_framework():
    found = [step_seed(0, step, rank) for step in range(50) for rank in range(4)]
    found += [sample_seed(0, epoch, index) for epoch in range(4) for index in range(50)]
    found += [step_seed(1, step) for step in range(50)]
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**31 for seed in found)
    assert step_seed(5, 7, 1) == step_seed(5, 7, 1)
