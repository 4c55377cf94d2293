"""What a resume checks, and that a failed save leaves the last good checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odconv_spec import model_spec
from odconv_training import BEST, LAST, RECIPES, Progress, TrainingError, parse, replacing
from weights_converter import FileError


@pytest.fixture
def options():
    return parse([], "torch")


def test_progress_survives_its_text(options):
    progress = Progress.of(options, 123, 5, 97.25)
    assert Progress.from_json(progress.to_json()) == progress
    progress.check(options)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seed": 1}, "seed of the training to resume, 0, received 1"),
        ({"recipe": replace(RECIPES["digits"], lr=0.1)}, "recipe's lr .* 0.05, received 0.1"),
        ({"spec": model_spec("resnet18", num_classes=10)}, "spec's"),
    ],
)
def test_another_training_is_refused(options, change, match):
    progress = Progress.of(options, 1, 0, 0.0)
    with pytest.raises(TrainingError, match=match):
        progress.check(replace(options, **change))


def test_where_and_how_it_runs_may_change(options):
    progress = Progress.of(options, 1, 0, 0.0)
    progress.check(replace(options, steps=5, workers=3, quiet=True, resume=True))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"step": 1}', '{"other": 1}'])
def test_a_text_that_is_no_progress(text):
    with pytest.raises(TrainingError, match="--start"):
        Progress.from_json(text)


def test_a_failed_save_leaves_the_last_good_one(tmp_path):
    path = tmp_path / LAST["torch"]
    with replacing(path) as part:
        part.write_bytes(b"good")
    with pytest.raises(FileError, match="No space"), replacing(path) as part:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"good"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_every_framework_has_names():
    assert LAST.keys() == BEST.keys() == {"torch", "paddle", "keras"}
    assert not set(LAST.values()) & set(BEST.values())
