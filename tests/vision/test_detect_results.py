"""Scores of detections, and what is written of them."""

from __future__ import annotations

import json
import shutil
from math import isnan

import detect_helpers as small
import numpy as np
import pytest
import torch
from faster_coco_eval import mask as tools
from PIL import Image

from odconv.main import main as odconv_main
from odconv_torch.detect.command import main
from odconv_torch.detect.evaluation import detections
from odconv_torch.detect.opened import open_detector
from odconv_torch.detect.prediction import unlabelled, write_pictures
from odconv_training import BEST
from odconv_training.detection.coco import Category
from odconv_training.detection.picture import drawn
from odconv_training.detection.regions import runs_of_mask
from odconv_training.detection.results import Detections, results_of
from odconv_training.detection.samples import open_annotated
from odconv_training.detection.scores import AVERAGES, detection_score

NAMES = (Category(1, "disc"), Category(7, "box"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.shapes(tmp_path_factory.mktemp("shapes"), images=9, size=128)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A checkpoint of Mask R-CNN after an epoch."""
    output = tmp_path_factory.mktemp("run")
    small.run(small.options(output, folder, kind="mask", recipe={"epochs": 1}))
    return output / BEST["torch"]


@pytest.fixture
def samples(folder):
    return open_annotated(str(folder), "val", True)


def perfect(samples, shift=0.0):
    rows = []
    for picture in samples.pictures:
        for one in picture.annotations:
            left, top, width, height = one.box
            mask = tools.frPyObjects(one.region, picture.height, picture.width)
            row = {"image_id": picture.id, "category_id": samples.categories[one.label].id}
            row |= {"bbox": [left + shift * width, top, width, height], "score": 0.9}
            rows.append({**row, "segmentation": tools.merge(mask)})
    return rows


def test_what_is_found_as_it_is_scores_100(samples):
    score = detection_score(samples, perfect(samples), masks=True)
    assert score.boxes[:3] == score.masks[:3] == pytest.approx((100.0,) * 3)
    assert isnan(score.boxes[5])  # no object of 96 pixels
    assert score.quality == pytest.approx(100)


def test_boxes_that_are_beside_count_by_their_overlap(samples):
    """A fifth beside: two thirds in common, which 4 of the 10 thresholds accept."""
    score = detection_score(samples, perfect(samples, 0.2), masks=True)
    assert score.boxes[:3] == pytest.approx((40.0, 100.0, 0.0))
    assert score.masks[0] == pytest.approx(100)


def test_a_mask_is_as_large_as_its_pixels(samples):
    """A wrong mask of a pixel in a large box is no mistake among those of medium size."""
    first = samples.pictures[0].annotations[0]
    object.__setattr__(first, "area", 40.0**2)  # one of medium size is there
    mask = np.zeros((128, 128), np.uint8)
    mask[0, 0] = 1
    rows = perfect(samples)
    box = {"bbox": [0, 0, 60, 60], "segmentation": runs_of_mask(mask), "score": 0.99}
    score = detection_score(samples, [*rows, {**rows[0], **box}], masks=True)
    assert score.masks[4] == pytest.approx(100)
    assert score.masks[0] < 100


def test_nothing_found_scores_0(samples):
    score = detection_score(samples, [], masks=True)
    assert score.boxes[:3] == score.masks[:3] == (0, 0, 0)
    assert list(score.to_dict()["boxes"]) == list(AVERAGES)
    assert score.to_dict()["masks"]["AP_large"] is None


def test_a_wrong_class_counts_as_nothing(samples):
    rows = [{**row, "category_id": 3} for row in perfect(samples)]
    assert 0 < detection_score(samples, rows, masks=False).boxes[1] <= 50


def test_an_annotation_of_id_0_is_found_as_others(folder, samples):
    """The evaluation takes a match with id 0 for none."""
    annotation = samples.pictures[0].annotations[0]
    object.__setattr__(annotation, "id", 0)
    assert detection_score(samples, perfect(samples), masks=False).boxes[0] == pytest.approx(100)


def test_results_have_the_ids_of_the_annotations():
    mask = np.zeros((1, 6, 9), np.uint8)
    mask[0, 1:4, 2:7] = 1
    found = Detections(np.array([[2.0, 1.0, 7.0, 4.0]]), np.array([1]), np.array([0.75]), mask)
    (row,) = json.loads(json.dumps(results_of(12, found, NAMES)))
    runs = row.pop("segmentation")
    assert row == {"image_id": 12, "category_id": 7, "bbox": [2, 1, 5, 3], "score": 0.75}
    np.testing.assert_array_equal(tools.decode(runs), mask[0])
    assert len(found.above(0.8).scores) == 0


def test_a_picture_shows_what_is_found():
    image = Image.new("RGB", (90, 60), (10, 10, 10))
    mask = np.zeros((1, 60, 90), np.uint8)
    mask[0, 30:40, 30:50] = 1
    found = Detections(np.array([[20.0, 20.0, 80.0, 50.0]]), np.array([0]), np.array([0.9]), mask)
    pixels = np.asarray(drawn(image, found, NAMES)).astype(int)
    before = np.asarray(image)
    assert (pixels[35, 40] != before[35, 40]).any()  # the mask
    assert (pixels[50, 50] != before[50, 50]).any()  # the box
    assert (pixels[55, 5] == before[55, 5]).all()
    assert (pixels[45, 70] == before[45, 70]).all()  # within the box, outside the mask


def test_a_checkpoint_is_evaluated_as_its_training_has(folder, trained, tmp_path, capsys):
    assert main(["evaluate", str(trained), "--data", str(folder), "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    last = (trained.parent / "validation.csv").read_text().splitlines()
    logged = dict(zip(last[0].split(","), map(float, last[1].split(",")), strict=True))
    assert score["boxes"]["AP"] == pytest.approx(logged["AP"], abs=1e-9)
    assert score["masks"]["AP50"] == pytest.approx(logged["mask_AP50"], abs=1e-9)
    file = tmp_path / "results.json"
    assert main(["evaluate", str(trained), "--data", str(folder), "--results", str(file)]) == 0
    samples = open_annotated(str(folder), "val", True)
    again = detection_score(samples, json.loads(file.read_text()), masks=True)
    assert f"{again}, 1 images" == capsys.readouterr().out.strip()


def test_predictions_are_pictures_and_results(folder, trained, tmp_path):
    images = sorted((folder / "val").glob("*.png"))
    output = tmp_path / "found"
    command = ["predict", str(trained), *map(str, images), "--output", str(output)]
    assert main([*command, "--threshold", "0.0"]) == 0
    assert sorted(p.name for p in output.iterdir()) == [
        *(i.name for i in images),
        "predictions.json",
    ]
    rows = json.loads((output / "predictions.json").read_text())
    assert {row["image_id"] for row in rows} == {1}
    model = open_detector(trained, torch.device("cpu")).model
    samples = open_annotated(str(folder), "val", True)
    found = list(detections(model, samples, np.arange(1)))
    assert len(rows) == sum(len(one.scores) for one in found)
    expected = [round(score, 6) for one in found for score in one.scores.tolist()]
    assert [round(row["score"], 6) for row in rows] == expected


def test_each_process_draws_its_own_images(trained, tmp_path):
    paths = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path := tmp_path / f"{number}.png")
        paths.append(path)
    opened = open_detector(trained, torch.device("cpu"))
    samples = unlabelled(paths, opened.network.categories)
    for own in ([0, 1], [2], []):
        folder = tmp_path / f"by {own}"
        folder.mkdir()
        rows = write_pictures(opened.model, samples, np.array(own, np.int64), folder, 0.0)
        assert sorted(path.name for path in folder.iterdir()) == [f"{i}.png" for i in own]
        found = {(row["image_id"], row["file_name"]) for row in rows}
        assert found == {(index + 1, str(paths[index])) for index in own}


@pytest.mark.slow
def test_two_processes_predict_as_one(folder, trained, tmp_path):
    images = sorted((folder / "train").glob("*.png"))[:5]
    found = []
    for processes in (None, 2):
        output = tmp_path / str(processes)
        words = ("predict", trained, *images, "--output", output, "--threshold", 0)
        run = small.call(*words, processes=processes)
        assert run.stdout.count(" objects in 5 images: ") == 1
        found.append({path.name: path.read_bytes() for path in output.iterdir()})
    assert len(found[0]) == 6 and found[0] == found[1]


def test_what_is_found_in_an_image_depends_on_no_other(trained, tmp_path):
    draw = np.random.default_rng(3)
    for number, size in enumerate(((60, 90), (120, 64))):
        pixels = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    images = [str(tmp_path / f"{number}.png") for number in range(2)]
    boxes = []
    for name, files in (("both", images), ("one", images[:1])):
        output = tmp_path / name
        command = ["predict", str(trained), *files, "--output", str(output), "--threshold", "0.0"]
        assert main(command) == 0
        rows = json.loads((output / "predictions.json").read_text())
        boxes.append([(row["bbox"], row["score"]) for row in rows if row["image_id"] == 1])
    assert boxes[0] == boxes[1]
    assert boxes[0]


def test_a_file_of_other_code_is_evaluated_by_the_categories_of_the_data(folder, tmp_path, capsys):
    """The same detector, once as its training wrote it and once under mmdetection's names."""
    small.run(small.options(tmp_path / "run", folder, recipe={"epochs": 1}))
    own = tmp_path / "run" / BEST["torch"]
    there = tmp_path / "a.pth"
    command = ["convert", str(own), str(there), "--names", "mmdetection"]
    assert odconv_main(command) == 0
    capsys.readouterr()
    found = []
    for file in (own, there):
        sizes = ["--min-size", "96", "--max-size", "96"]
        assert main(["evaluate", str(file), "--data", str(folder), *sizes]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    small.change(fewer := shutil.copytree(folder, tmp_path / "few"), without_squares, "val")
    assert "expected data with 3 categories" in small.said(
        capsys, "evaluate", there, "--data", fewer
    )


def without_squares(content):
    content["categories"].pop()
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] != 7]


def test_what_is_no_detector_is_said_in_one_line(folder, trained, tmp_path, capsys):
    data = ("--data", folder)
    (tmp_path / "a.pth.tar").write_bytes(trained.read_bytes()[:999])
    assert "a.pth.tar" in small.said(capsys, "evaluate", tmp_path / "a.pth.tar", *data)
    torch.save({"state_dict": {}}, tmp_path / "b.pth.tar")
    small.said(capsys, "evaluate", tmp_path / "b.pth.tar", *data)
    torch.save(torch.nn.Conv2d(3, 4, 1).state_dict(), tmp_path / "e.pth.tar")
    small.said(capsys, "evaluate", tmp_path / "e.pth.tar", *data)
    assert "nowhere" in small.said(capsys, "evaluate", tmp_path / "nowhere", *data)
    assert "nowhere" in small.said(capsys, "evaluate", trained, "--data", tmp_path / "nowhere")
    content = torch.load(trained, weights_only=True)
    text = json.loads(content["odconv"])
    spec = json.loads(text["spec"])
    classifier = {**content, "odconv": json.dumps({**text, "spec": json.dumps(spec["body"])})}
    torch.save(classifier, tmp_path / "c.pth.tar")
    assert "of another network" in small.said(capsys, "evaluate", tmp_path / "c.pth.tar", *data)
    spec["categories"] = spec["categories"][:2]
    fewer = {**content, "odconv": json.dumps({**text, "spec": json.dumps(spec)})}
    torch.save(fewer, tmp_path / "d.pth.tar")
    assert "the model is Mask R-CNN, 2 classes" in small.said(
        capsys, "predict", tmp_path / "d.pth.tar", trained
    )
    assert "expected an image" in small.said(capsys, "predict", trained, trained)


def test_other_categories_than_the_checkpoints_are_refused(trained, tmp_path, capsys):
    other = small.shapes(tmp_path / "other")
    small.change(other, lambda content: content["categories"][0].update(name="disc"), "val")
    message = small.said(capsys, "evaluate", trained, "--data", other)
    assert "1 circle, 3 triangle, 7 square" in message and "1 disc" in message
