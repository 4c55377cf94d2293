"""What is read of COCO's format, and what is said of files that are not as it has them."""

from __future__ import annotations

import json
import math
import shutil

import detect_helpers as small
import numpy as np
import pytest
import torch
from faster_coco_eval import mask as tools

from odconv_torch.detect.data import training_batches
from odconv_training import CorruptImageError, TrainingError
from odconv_training.detection.coco import read_coco
from odconv_training.detection.regions import mask_of, run_lengths, runs_of_mask
from odconv_training.detection.samples import open_scenes
from tests.training.folders import BROKEN


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return small.shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture
def folder(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "shapes")


def opened(folder, masks=True, **values):
    return open_scenes(str(folder), masks, **values)


def batch(samples, masks=True, epoch=0, index=0):
    ((images, targets),) = training_batches(samples, [np.array([index])], 3, epoch, masks)
    return images[0], targets[0]


def test_ids_with_holes_become_labels_in_their_order(folder):
    scenes = opened(folder)
    assert scenes.classes == ("circle", "triangle", "square")
    assert [category.id for category in scenes.train.categories] == [1, 3, 7]
    content = json.loads((folder / "annotations" / "instances_train.json").read_text())
    found = [one for picture in scenes.train.pictures for one in picture.annotations]
    labels = {one.id: one.label for one in found}
    assert labels == {a["id"]: (1, 3, 7).index(a["category_id"]) for a in content["annotations"]}
    for index in range(len(scenes.train)):
        target = batch(scenes.train, index=index)[1]
        expected = [one.label + 1 for one in scenes.train.pictures[index].annotations]
        assert target["labels"].tolist() == expected


def test_equal_seeds_give_equal_shapes(clean, tmp_path):
    again = small.shapes(tmp_path / "again")
    files = sorted(path.relative_to(clean) for path in clean.rglob("*.*"))
    assert len(files) == 17
    assert all((clean / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_masks_cover_what_is_drawn(clean):
    """The mask of a polygon has its area and its box, and one colour below it."""
    samples = opened(clean).train
    for index in range(len(samples)):
        image, target = batch(samples, index=index)
        for one, mask, box in zip(
            samples.objects(index), target["masks"], target["boxes"], strict=True
        ):
            assert int(mask.sum()) == pytest.approx(one.area, rel=0.12)
            y, x = torch.nonzero(mask, as_tuple=True)
            edges = [float(e) for e in (x.min(), y.min(), x.max() + 1, y.max() + 1)]
            assert edges == pytest.approx(box.tolist(), abs=1.5)
            colours = image[:, mask.bool()]
            assert (colours == colours.median(dim=1).values[:, None]).all(0).float().mean() > 0.7


def test_half_of_the_images_are_mirrored_with_their_objects(clean):
    samples = opened(clean).train
    plain = np.asarray(samples.open(0)).transpose(2, 0, 1) / 255
    seen = set()
    for epoch in range(12):
        image, target = batch(samples, epoch=epoch)
        assert torch.equal(image, batch(samples, epoch=epoch)[0])  # by seed, epoch and index alone
        turned = not np.allclose(image.numpy(), plain, atol=1e-6)
        np.testing.assert_allclose(image.numpy()[..., :: -1 if turned else 1], plain, atol=1e-6)
        boxes = torch.tensor([one.box for one in samples.objects(0)])
        left = 64 - boxes[:, 0] - boxes[:, 2] if turned else boxes[:, 0]
        torch.testing.assert_close(target["boxes"][:, 0], left)
        widths = target["boxes"][:, 2:] - target["boxes"][:, :2]
        torch.testing.assert_close(widths, boxes[:, 2:])
        where = [float(torch.nonzero(mask)[:, 1].float().mean()) for mask in target["masks"]]
        centres = (target["boxes"][:, 0] + target["boxes"][:, 2]) / 2
        assert where == pytest.approx(centres.tolist(), abs=4)
        seen.add(turned)
    assert seen == {True, False}


def test_boxes_are_cut_at_the_border_and_nothing_learns_from_what_is_outside(folder):
    def act(content):
        first = content["images"][0]["id"]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != first]
        region = [[1, 1, 9, 1, 9, 9]]
        for number, box in enumerate([[-5, 50, 20, 30], [70, 10, 5, 5], [10, 10, 0.5, 9]]):
            row = {"id": 900 + number, "image_id": first, "category_id": 3, "bbox": box}
            content["annotations"].append({**row, "segmentation": region})

    small.change(folder, act)
    scenes = opened(folder)
    assert batch(scenes.train, epoch=1)[1]["boxes"].shape == (1, 4)
    assert scenes.train.objects(0)[0].box == (0, 50, 15, 14)
    assert scenes.train.left_out == ("2 objects of less than a pixel within their image",)


def test_images_without_objects_and_crowds_are_not_learnt(folder):
    def act(content):
        for annotation in content["annotations"]:
            if annotation["image_id"] == 2:
                annotation["iscrowd"] = 1
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 5]

    small.change(folder, act)
    samples = opened(folder).train
    assert samples.labels.tolist() == [1, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    assert samples.left_out == ("2 images without an object to learn",)


@pytest.mark.parametrize("text", [False, True])
def test_runs_of_pixels_are_masks(folder, text):
    mask = (np.random.default_rng(0).random((64, 64)) < 0.3).astype(np.uint8)
    changes = np.flatnonzero(np.diff(mask.ravel(order="F"))) + 1
    counts = np.diff([0, *changes, mask.size]).tolist()
    counts = [0, *counts] if mask[0, 0] else counts
    runs = {"size": [64, 64], "counts": counts}
    if text:
        runs = runs_of_mask(mask)
        assert run_lengths(runs["counts"]) == counts
    np.testing.assert_array_equal(mask_of(runs, 64, 64), mask)

    def act(content):
        content["annotations"][0]["segmentation"] = runs

    small.change(folder, act)
    target = batch(opened(folder).train)[1]["masks"][0].numpy()
    assert np.array_equal(target, mask) or np.array_equal(target[:, ::-1], mask)


def test_runs_are_those_of_the_evaluation_tools():
    generator = np.random.default_rng(5)
    for share in (0.002, 0.1, 0.5, 0.999):
        mask = np.asfortranarray(generator.random((37, 91)) < share, np.uint8)
        lengths = run_lengths(runs_of_mask(mask)["counts"])
        assert sum(lengths) == mask.size
        again = tools.frPyObjects({"size": [37, 91], "counts": lengths}, 37, 91)
        np.testing.assert_array_equal(tools.decode(again), mask)


def set_value(name, value, what="annotations"):
    return lambda content: content[what][0].__setitem__(name, value)


def twice(content):
    content["annotations"][1]["id"] = content["annotations"][0]["id"]


WRONG = {
    "a box below 0": (
        set_value("bbox", [4, 4, -3, 5]), r"image 1 \(000001.png\), annotation 1.*bbox"
    ),
    "a box of three": (set_value("bbox", [4, 4, 3]), r"annotation 1.*bbox"),
    "a box that is none": (set_value("bbox", [4, 4, math.nan, 5]), r"annotation 1.*bbox"),
    "no such category": (set_value("category_id", 2), r"annotation 1.*category_id.*received 2"),
    "no such image": (set_value("image_id", 77), r"annotation 1.*image_id.*received 77"),
    "an area below 0": (set_value("area", -1), r"annotation 1.*area"),
    "a strange crowd": (set_value("iscrowd", 2), r"annotation 1.*iscrowd"),
    "an id twice": (twice, r"an id of its own for annotation number 1"),
    "no region": (set_value("segmentation", None), r"annotation 1.*segmentation"),
    "no polygon": (set_value("segmentation", []), r"annotation 1.*at least one polygon"),
    "two corners": (set_value("segmentation", [[1, 2, 3, 4]]), r"annotation 1.*three corners"),
    "an odd polygon": (set_value("segmentation", [[1, 2, 3, 4, 5, 6, 7]]), r"three corners"),
    "other runs": (
        set_value("segmentation", {"size": [64, 64], "counts": [9]}), r"annotation 1.*4096 pixels"
    ),
    "runs of another image": (
        set_value("segmentation", {"size": [32, 64], "counts": [2048]}), r"size \[64, 64\]"
    ),
    "a cut text": (
        set_value("segmentation", {"size": [64, 64], "counts": "Q"}), r"annotation 1.*cut"
    ),
    "no text": (
        set_value("segmentation", {"size": [64, 64], "counts": "ä"}), r"annotation 1.*runs"
    ),
    "no file_name": (set_value("file_name", None, "images"), r"image 1.*file_name"),
    "no height": (set_value("height", 0, "images"), r"image 1.*height.*received 0"),
    "no name": (set_value("name", 3, "categories"), r"name for category 1"),
    "no images": (lambda content: content.update(images=[]), r"at least one image"),
    "no list": (lambda content: content.pop("categories"), r"list 'categories'"),
    "another size": (set_value("width", 60, "images"), r"000001.png, image 1: expected 60 x 64"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(folder, name):
    act, message = WRONG[name]
    path = small.change(folder, act)
    with pytest.raises(TrainingError, match=message) as caught:
        opened(folder)
    assert str(path) in str(caught.value) or name == "another size"


def test_regions_matter_for_masks_only(folder):
    small.change(folder, set_value("segmentation", []))
    assert len(opened(folder, masks=False).train) == 12


@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": 3}'])
def test_a_file_that_is_no_annotations(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(TrainingError, match=r"a\.json"):
        read_coco(tmp_path / "a.json")


def test_files_that_are_missing_or_broken(folder):
    image = folder / "train" / "000004.png"
    image.write_bytes(BROKEN)
    with pytest.raises(CorruptImageError, match=r"000004\.png"):
        opened(folder)
    assert len(opened(folder, skip_corrupt=True).train) == 11
    image.unlink()
    for skip in (False, True):
        with pytest.raises(TrainingError, match=r"000004\.png, an image of .*No such file"):
            opened(folder, skip_corrupt=skip)
    image.mkdir()
    with pytest.raises(TrainingError, match=r"000004\.png, an image of .*Is a directory"):
        opened(folder, skip_corrupt=True)
    image.rmdir()
    image.write_bytes((folder / "train" / "000003.png").read_bytes())
    (folder / "annotations" / "instances_train2017.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"expected one file .*received 2"):
        opened(folder)
    with pytest.raises(TrainingError, match=r"expected one file .*received 0"):
        opened(folder / "nowhere")


def test_what_is_skipped_is_what_cannot_be_decoded(folder):
    """The head of a cut file is whole; an image of another size is a mistake of the annotations."""
    image = folder / "train" / "000004.png"
    image.write_bytes(image.read_bytes()[:200])
    assert len(opened(folder).train) == 12
    samples = opened(folder, skip_corrupt=True).train
    assert len(samples) == 11 and "000004.png" in samples.left_out[0]
    small.change(folder, set_value("width", 60, "images"))
    with pytest.raises(TrainingError, match=r"image 1: expected 60 x 64"):
        opened(folder, skip_corrupt=True)


def test_the_splits_have_the_same_categories(folder):
    small.change(folder, set_value("name", "disc", "categories"), "val")
    with pytest.raises(TrainingError, match=r"instances_val.*circle.*received '1 disc'"):
        opened(folder)
