"""Trainings on folders of images, by torchvision's transforms."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from odconv_torch.train.data import Files, augmentation, evaluation_batches, training_batches
from odconv_torch.train.step import Step
from odconv_training import CorruptImageError, Samples, open_source
from tests.torch import train_helpers as small
from tests.training.folders import BROKEN, write_folder
from tests.training.reference_images import evaluated, photographs

ALL = [np.arange(9)]
FOLDER = {"image_size": 32, "workers": 2}
NET = {"num_classes": 3}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "images")


@pytest.mark.parametrize("size", [224, 160])
@pytest.mark.parametrize("turned", [False, True])
def test_photographs_are_those_of_pil_and_numpy(tmp_path, size, turned):
    paths = photographs()
    if turned:
        paths = tuple(tmp_path / f"{path.stem}.png" for path in photographs())
        for path, turn in zip(photographs(), paths, strict=True):
            Image.open(path).transpose(Image.Transpose.ROTATE_90).save(turn)
    samples = Samples(np.array([3, 5]), paths)
    ((images, labels),) = evaluation_batches(samples, [np.arange(2)], size)
    assert labels.tolist() == [3, 5]
    assert images.dtype == torch.float32
    expected = np.stack([evaluated(path, size) for path in paths])
    np.testing.assert_allclose(images.numpy(), expected, rtol=0, atol=1e-6)


def crops(samples, batches, epoch=0, workers=0):
    found = training_batches(samples, batches, 4, epoch, 32, workers)
    return torch.cat([images for images, _ in found])


def test_a_crop_depends_on_the_epoch_and_the_image_only(folder):
    samples = open_source(str(folder)).train
    first = crops(samples, ALL)
    assert first.shape == (9, 3, 32, 32)
    torch.manual_seed(5)
    order = torch.tensor([4, 2, 8, 0, 1, 7, 3, 5, 6])
    assert torch.equal(crops(samples, [*order.numpy().reshape(3, 3)], workers=2), first[order])
    assert not torch.equal(crops(samples, ALL, epoch=1), first)


def test_crops_and_flips_are_random(folder):
    samples = open_source(str(folder)).train
    pixels = np.tile(np.arange(40, dtype=np.uint8) * 6, (36, 1))  # brighter to the right
    Image.fromarray(pixels).save(samples.paths[0])
    found = [crops(samples, [np.array([0])], epoch)[0, 0] for epoch in range(20)]
    flipped = [bool(image[:, 0].mean() > image[:, -1].mean()) for image in found]
    assert 3 < sum(flipped) < 17
    spread = [float(abs(image[:, -1].mean() - image[:, 0].mean())) for image in found]
    assert max(spread) > 1.5 * min(spread)  # crops of different sizes


def test_the_global_state_of_random_numbers_is_left_alone(folder):
    images = Files(open_source(str(folder)).train, augmentation(32), (4, 0))
    torch.manual_seed(1)
    before = torch.rand(3)
    torch.manual_seed(1)
    images.__getitems__(np.arange(2))
    assert torch.equal(torch.rand(3), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named_in_one_line(folder, workers):
    broken = folder / "train" / "bee" / "1.png"
    broken.write_bytes(BROKEN)
    samples = open_source(str(folder)).train
    with pytest.raises(CorruptImageError, match=r"1\.png") as caught:
        list(training_batches(samples, ALL, 0, 0, 32, workers))
    assert "Traceback" not in str(caught.value)
    assert str(broken) in str(caught.value)


def test_the_command_trains_on_a_folder(tmp_path, folder):
    (folder / "train" / "bee" / "1.png").write_bytes(BROKEN)
    spec = small.spec_file(tmp_path, **NET)
    common = ["--data", folder, "--spec", spec, "--image-size", 32, "--batch-size", 8]
    common += ["--epochs", 2, "--output", tmp_path / "run"]
    failed = small.call(*common, check=False)
    assert failed.returncode == 2
    error, advice = failed.stderr.splitlines()
    assert "1.png" in error and "--skip-corrupt" in advice
    done = small.call(*common, "--skip-corrupt")
    assert "1.png" in done.stderr
    assert small.last(tmp_path / "run")["epoch"] == 2


def test_a_resumed_training_ends_bit_identical(tmp_path):
    folder = write_folder(tmp_path / "images", {"train": 14, "val": 2})
    source = open_source(str(folder))
    for name, steps in (("whole", None), ("parts", 7)):
        small.run(small.options(tmp_path / name, spec=NET, steps=steps, **FOLDER), source)
    small.run(small.options(tmp_path / "parts", spec=NET, resume=True, **FOLDER), source)
    whole, parts = (small.last(tmp_path / name) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 10
    assert small.same_arrays(whole, parts)


@pytest.mark.slow
def test_a_thousand_classes_in_flat_memory(tmp_path, monkeypatch):
    """One epoch of 4,000 images; the memory of all processes in its first and last quarter."""
    source = open_source(str(thousand_classes(tmp_path / "images")))
    assert len(source.classes) == 1000
    memory = []
    step = Step.__call__

    def watched(self, *arguments):
        memory.append(sum(map(resident, family())))
        return step(self, *arguments)

    monkeypatch.setattr(Step, "__call__", watched)
    recipe = {"epochs": 1, "batch_size": 16}
    chosen = small.options(tmp_path / "run", recipe=recipe, spec={"num_classes": 1000}, **FOLDER)
    small.run(chosen, source)
    assert len(memory) == 250
    quarter = len(memory) // 4
    first, last = (float(np.median(part)) for part in (memory[5:quarter], memory[-quarter:]))
    assert last < 1.02 * first + 4e6, (first, last)
    assert small.last(tmp_path / "run")["epoch"] == 1


def thousand_classes(root):
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for label in range(1000):
            place = root / split / f"n{label:08d}"
            place.mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (36, 40, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.jpg")
    return root


def family():
    """This process and the workers that it has started."""
    yield os.getpid()
    for entry in Path("/proc/self/task").glob("*/children"):
        yield from map(int, entry.read_text().split())


def resident(process):
    """Bytes of memory that are the process's alone or its part of what is shared."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
