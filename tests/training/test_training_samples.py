"""Folders and digits as samples, and what is said about data that cannot be trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from odconv_spec import from_json
from odconv_training import CorruptImageError, TrainingError, digits, open_source
from odconv_training.samples import Samples
from tests.training.folders import BROKEN, CLASSES, write_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
GOLDEN = EXAMPLES / "odconv4x_mobilenetv2_digits.npz"


def test_a_folder_in_order(tmp_path):
    source = open_source(str(write_folder(tmp_path)))
    assert source.classes == CLASSES
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [path.parent.name for path in source.validation.paths] == [
        name for name in CLASSES for _ in range(2)
    ]
    assert [path.name for path in source.train.paths] == ["0.png", "1.png", "2.png"] * 3
    assert len(source.validation) == 6


def test_an_image_is_opened_in_rgb(tmp_path):
    write_folder(tmp_path)
    grey = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    grey.save(tmp_path / "train" / "ant" / "0.png")
    found = open_source(str(tmp_path)).train.open(0)
    assert (found.mode, found.size) == ("RGB", (8, 6))
    assert np.asarray(found)[2, 3].tolist() == [19, 19, 19]


GREY = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_levels_of_16_bits_are_not_cut_off(tmp_path, ending):
    """PIL itself makes nearly all of such an image white."""
    file = tmp_path / f"grey.{ending}"
    if ending == "pgm":
        file.write_bytes(b"P5\n8 6\n65535\n" + GREY.astype(">u2").tobytes())
    else:
        Image.fromarray(GREY).save(file)
    found = np.asarray(Samples(np.zeros(1, int), (file,)).open(0))
    assert found.shape == (6, 8, 3)
    assert (found == (GREY >> 8)[..., None]).all()


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_levels_of_no_known_range(tmp_path, dtype):
    file = tmp_path / "wide.tif"
    Image.fromarray((GREY / 65535).astype(dtype)).save(file)
    with pytest.raises(CorruptImageError, match=r"wide\.tif: its levels are .*; save it with 8"):
        Samples(np.zeros(1, int), (file,)).open(0)


def test_images_below_a_class_count_and_other_files_do_not(tmp_path):
    write_folder(tmp_path)
    deeper = tmp_path / "train" / "bee" / "more"
    deeper.mkdir()
    (tmp_path / "train" / "bee" / "0.png").rename(deeper / "0.PNG")
    (tmp_path / "train" / "bee" / "notes.txt").write_text("no image")
    assert open_source(str(tmp_path)).train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_no_folder(tmp_path):
    with pytest.raises(TrainingError, match=r"nowhere.*train"):
        open_source(str(tmp_path / "nowhere"))


def test_no_validation(tmp_path):
    write_folder(tmp_path, {"train": 1})
    with pytest.raises(TrainingError, match="val"):
        open_source(str(tmp_path))


def test_an_empty_folder(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(TrainingError, match=r"each class in .*train, received none"):
        open_source(str(tmp_path))


def test_an_empty_class(tmp_path):
    write_folder(tmp_path)
    for path in (tmp_path / "val" / "bee").iterdir():
        path.unlink()
    with pytest.raises(TrainingError, match=r"val, received none of 1 classes: bee"):
        open_source(str(tmp_path))


def test_other_classes_to_validate_with(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "val" / "cat").rename(tmp_path / "val" / "cow")
    with pytest.raises(TrainingError, match="cat, cow"):
        open_source(str(tmp_path))


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def _no_image(path):
    path.write_bytes(b"not an image")


def _broken_header(path):
    path.write_bytes(BROKEN)


@pytest.mark.parametrize("damage", [_truncated, _no_image, _broken_header])
def test_a_corrupt_image_is_named(tmp_path, damage):
    damage(write_folder(tmp_path) / "train" / "bee" / "1.png")
    samples = open_source(str(tmp_path)).train
    with pytest.raises(CorruptImageError, match=r"bee.1\.png"):
        samples.open(4)
    assert samples.open(3).size == (40, 36)


def test_corrupt_images_are_left_out_when_asked(tmp_path, capsys):
    _truncated(write_folder(tmp_path) / "train" / "bee" / "1.png")
    _no_image(tmp_path / "val" / "cat" / "0.png")
    source = open_source(str(tmp_path), skip_corrupt=True)
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert [path.name for path in source.train.paths[3:5]] == ["0.png", "2.png"]
    assert source.validation.labels.tolist() == [0, 0, 1, 1, 2]
    said = capsys.readouterr().err.splitlines()
    assert [Path(line.split(": ")[1]).parent.name for line in said] == ["bee", "cat"]


def test_a_class_of_corrupt_images_only(tmp_path):
    write_folder(tmp_path)
    for path in (tmp_path / "train" / "ant").iterdir():
        _no_image(path)
    with pytest.raises(TrainingError, match="ant"):
        open_source(str(tmp_path), skip_corrupt=True)


def test_the_digits_are_those_of_the_published_training():
    source = open_source("digits")
    golden = np.load(GOLDEN)
    assert np.array_equal(source.validation.images[:64], golden["input"])
    assert np.array_equal(source.validation.labels[:64], golden["target"])
    assert (len(source.train), len(source.validation)) == (1437, 360)
    assert source.train.images.shape == (1437, 3, 32, 32)
    assert np.array_equal(digits._test_index(), golden["test_index"])


def test_no_digit_is_in_both_splits():
    both = (open_source("digits").train, open_source("digits").validation)
    images = np.concatenate([split.images[:, 0].reshape(len(split), -1) for split in both])
    assert len(np.unique(images, axis=0)) == 1797


def test_the_network_for_the_digits_is_that_of_the_example():
    assert digits.spec() == from_json((EXAMPLES / "digits.json").read_text(encoding="utf-8"))


def test_samples_have_a_length():
    assert len(Samples(np.zeros(5, np.int64))) == 5
