"""Counts against hand-made answers, and their sum over parts."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_training import Score


def test_counts_by_hand():
    logits = np.array(
        [
            [9, 8, 7, 6, 5, 4, 3],  # right
            [9, 8, 7, 6, 5, 4, 3],  # the fifth
            [9, 8, 7, 6, 5, 4, 3],  # the sixth
            [0, 1, 2, 3, 4, 5, 6],  # right
        ]
    )
    score = Score(7)
    score.add(logits[:1], [0])
    score.add(logits[1:], [4, 5, 6])
    assert (score.images, score.top1, score.top5) == (4, 50.0, 75.0)
    expected = np.zeros((7, 7), int)
    expected[[0, 4, 5, 6], [0, 0, 0, 6]] = 1
    assert np.array_equal(score.confusion, expected)


def test_the_loss_is_the_mean_cross_entropy():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(20, 6)) * 3, rng.integers(0, 6, 20)
    score = Score(6)
    score.add(logits, labels)
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert score.loss == pytest.approx(-np.log(likelihood[np.arange(20), labels]).mean(), rel=1e-12)


def test_large_logits_do_not_overflow():
    score = Score(3)
    score.add([[1e4, 0, -1e4]], [1])
    assert score.loss == pytest.approx(1e4)


def test_fewer_than_five_classes():
    score = Score(3)
    score.add([[1, 2, 3], [3, 2, 1]], [0, 0])
    assert (score.top1, score.top5) == (50, 100)


def test_sums_of_arrays_are_scores_of_all():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(30, 8)), rng.integers(0, 8, 30)
    whole, parts = Score(8), [Score(8), Score(8)]
    whole.add(logits, labels)
    parts[0].add(logits[:11], labels[:11])
    parts[1].add(logits[11:], labels[11:])
    found = Score.from_array(parts[0].as_array() + parts[1].as_array())
    assert np.array_equal(found.confusion, whole.confusion)
    assert (found.images, found.top1, found.top5) == (whole.images, whole.top1, whole.top5)
    assert found.loss == pytest.approx(whole.loss, rel=1e-13)


def test_an_answer_that_is_no_number_has_no_loss():
    score = Score(2)
    score.add([[np.nan, np.nan]], [1])
    assert (score.top1, np.isnan(score.loss)) == (0, True)
