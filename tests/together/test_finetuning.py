"""The study of fine-tuning: its digits, what both starts share, and its table."""

from __future__ import annotations

import numpy as np

from benchmarks.finetuning import tasks
from benchmarks.finetuning.report import table
from benchmarks.finetuning.runs import Run


def test_the_checkpoint_knows_none_of_the_new_digits():
    known, new = tasks.known(), tasks.new(0)
    assert known.classes == tuple("01234")
    assert new.classes == tuple("56789")
    assert len(known.validation) + len(new.validation) == 360
    assert np.bincount(new.train.labels).tolist() == [tasks.IMAGES] * 5
    assert set(known.train.labels.tolist()) == set(new.validation.labels.tolist()) == set(range(5))


def test_a_seed_draws_images_of_its_own():
    first, again, other = (tasks.new(seed).train.images for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_both_starts_differ_in_the_start_alone(tmp_path):
    source = tasks.new(0)
    one, two = (
        tasks.options(source, tasks.new_recipe(), tmp_path, 3, start)
        for start in (None, tmp_path / "checkpoint.keras")
    )
    assert vars(one) | {"start": None} == vars(two) | {"start": None}
    assert one.spec.num_classes == len(source.classes)


def test_the_table_has_means_deviations_and_the_worst():
    runs = [
        Run("torch", start, seed, top1)
        for start, values in ((tasks.SCRATCH, (70.0, 80.0)), (tasks.START, (90.0, 90.0)))
        for seed, top1 in enumerate(values)
    ]
    assert table(runs).splitlines()[-1] == "| torch | 75.0 ± 7.1 | 70.0 | 90.0 ± 0.0 | 90.0 |"
