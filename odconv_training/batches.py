"""Which samples a step sees: the same on any number of processes, and after any interruption."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from odconv_training.errors import TrainingError

IntArray = npt.NDArray[np.int64]

_SCORED = 64  # samples in a call of the network that is scored
SMALLEST = 8  # of a last batch: batch statistics of less are noise, and each process needs a share
_STEP, _SAMPLE = 1, 2  # two streams of seeds that never meet


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Number of batches of `count` samples; see `batch_indices`.

    Returns:
        At least 1; a rest smaller than `SMALLEST` makes no step of its own.

    Example:
        >>> steps_per_epoch(1000, 64), steps_per_epoch(1028, 64)
        (16, 16)
    """
    full, rest = divmod(count, batch_size)
    return max(1, full + (rest >= SMALLEST))


def batch_indices(count: int, batch_size: int, seed: int, epoch: int) -> list[IntArray]:
    """The global batches of one epoch, every sample once, in an order of seed and epoch.

    The last batch holds the rest; a rest smaller than `SMALLEST` joins the batch before, which may
    be the largest of the epoch then. Sharing the two evenly would leave a process without a sample
    where each has one of a batch, and leaving the rest out would hide samples.

    Args:
        count: number of samples.
        batch_size: of all processes together.
        seed: of the training.
        epoch: counted from 0.

    Returns:
        Indices (batch,) for each step.

    Example:
        >>> [len(batch) for batch in batch_indices(44, 8, seed=0, epoch=0)]
        [8, 8, 8, 8, 12]
    """
    order = np.random.Generator(np.random.PCG64((seed, epoch))).permutation(count)
    ends = batch_size * np.arange(1, steps_per_epoch(count, batch_size))
    return [batch.astype(np.int64) for batch in np.split(order, ends)]


def share(batch: IntArray, rank: int, world: int) -> IntArray:
    """The part of a global batch that process `rank` of `world` computes.

    Parts are contiguous and differ in size by one at most.

    Returns:
        Indices of samples, of (samples of the process,).

    Raises:
        TrainingError: there are more processes than samples.

    Example:
        >>> share(np.array([4, 2, 7]), rank=0, world=2).tolist()
        [4, 2]
    """
    if len(batch) < world:
        raise TrainingError(
            f"expected a batch of at least {world} samples for {world} processes, received "
            f"{len(batch)}; raise --batch-size or start fewer processes"
        )
    return np.array_split(batch, world)[rank]


def shards(count: int, rank: int, world: int) -> IntArray:
    """The samples that process `rank` of `world` scores; every sample has one process.

    Returns:
        Indices of samples, of (samples of the process,).

    Example:
        >>> shards(5, rank=1, world=2).tolist()
        [3, 4]
    """
    return np.array_split(np.arange(count, dtype=np.int64), world)[rank]


def in_order(indices: IntArray, batch_size: int = _SCORED) -> list[IntArray]:
    """Batches of indices in their order, the last one with what is left.

    Returns:
        Arrays of indices, each of `size` or, the last one, fewer.

    Example:
        >>> [batch.tolist() for batch in in_order(np.arange(5), 2)]
        [[0, 1], [2, 3], [4]]
    """
    return [indices[at : at + batch_size] for at in range(0, len(indices), batch_size)]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """A seed below 2**31 for what a step draws, so that a resumed training draws the same.

    Returns:
        A whole number from 0.

    Example:
        >>> step_seed(0, step=7) == step_seed(0, step=7), step_seed(0, 7) == step_seed(0, 8)
        (True, False)
    """
    return _mixed(seed, _STEP, step, rank)


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """A seed below 2**31 for what is drawn for one sample, whichever process loads it.

    Returns:
        A whole number from 0.

    Example:
        >>> sample_seed(0, epoch=1, index=3) == sample_seed(0, epoch=2, index=3)
        False
    """
    return _mixed(seed, _SAMPLE, epoch, index)


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1
