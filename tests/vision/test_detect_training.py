"""Detection trainings: what they learn, how they continue, what they start from."""

from __future__ import annotations

import signal
import subprocess
import time

import detect_helpers as small
import numpy as np
import pytest
import torch

from odconv_torch import create_model
from odconv_torch.detect.build import body_of
from odconv_torch.detect.data import training_batches
from odconv_torch.detect.opened import open_detector
from odconv_training import LAST, TrainingError
from odconv_training.detection.options import parse_training
from odconv_training.detection.recipes import RECIPES
from tests.torch.train_helpers import last, same_arrays
from tests.trainings import rows
from weights_converter import convert, extract, inspect, load_into


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.shapes(tmp_path_factory.mktemp("shapes"))


@pytest.mark.parametrize(
    ("stop", "kind"), [pytest.param(2, "mask", marks=pytest.mark.slow), (4, "faster")]
)
def test_a_resumed_training_ends_bit_identical(tmp_path, folder, stop, kind):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    small.run(small.options(whole, folder, kind=kind, clip_norm=2.0))
    small.run(small.options(parts, folder, kind=kind, clip_norm=2.0, steps=stop))
    torch.manual_seed(99)  # a new process draws other numbers
    small.run(small.options(parts, folder, kind=kind, clip_norm=2.0, resume=True))
    assert last(whole)["step"] == last(parts)["step"] == 6
    assert same_arrays(last(whole), last(parts))
    one, two = (rows(path / "train.csv") for path in (whole, parts))
    assert one["loss"] == two["loss"]
    columns = rows(whole / "validation.csv").keys()
    assert ("mask_AP50" in columns) == (kind == "mask")


def test_every_array_learns(tmp_path, folder):
    training = small.run(small.options(tmp_path, folder, kind="mask", steps=2))
    fresh = small.course(small.options(tmp_path / "b", folder, kind="mask")).trainer.model
    arrays = dict(training.trainer.model.named_parameters())
    same = [n for n, array in fresh.named_parameters() if torch.equal(array, arrays[n])]
    assert same == []


def test_what_a_recipe_freezes_stays(tmp_path, folder):
    recipe = {"freeze_stages": 1, "freeze_norms": True}
    before = small.course(small.options(tmp_path / "a", folder, recipe=recipe)).trainer.model
    after = small.run(small.options(tmp_path / "b", folder, recipe=recipe, steps=2)).trainer.model
    changed = {
        name
        for name, array in after.state_dict().items()
        if not torch.equal(array, before.state_dict()[name])
    }
    body = "backbone.body.backbone."
    assert not any(name.startswith((f"{body}conv1", f"{body}layer1")) for name in changed)
    assert not any("running_" in name for name in changed)
    assert any(name.startswith(f"{body}layer2") and "bn" in name for name in changed)


def test_a_start_from_another_framework(tmp_path, folder):
    options = {"stages": small.SPEC.stages, "stem_channels": 6, "num_classes": 5}
    network = create_model("od_resnet18", **options)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "a.pdparams")
    chosen = small.options(tmp_path / "b", folder, start=tmp_path / "a.pdparams")
    training = small.course(chosen)
    body = extract(body_of(training.trainer.model))
    expected = extract(network)
    assert len(body) == len(expected) - 2  # the head
    for name, array in body.items():
        np.testing.assert_array_equal(array, expected[name])
    assert "start   " in training.header()


def test_the_converter_takes_a_checkpoint_whole(tmp_path, folder):
    training = small.run(small.options(tmp_path, folder, steps=1))
    model = training.trainer.model
    assert inspect(tmp_path / LAST["torch"]).spec.task == "faster_rcnn"
    convert(tmp_path / LAST["torch"], tmp_path / "a.safetensors")
    fresh = small.course(small.options(tmp_path / "b", folder, seed=5)).trainer.model
    load_into(fresh, tmp_path / "a.safetensors")
    arrays = fresh.state_dict()
    for name, array in model.state_dict().items():
        assert torch.equal(array, arrays[name]) or name.endswith("num_batches_tracked"), name


def test_another_network_or_other_data_are_not_resumed(tmp_path, folder):
    small.run(small.options(tmp_path / "run", folder, steps=1))
    with pytest.raises(TrainingError, match="kind of the training to resume, faster, received m"):
        small.course(small.options(tmp_path / "run", folder, kind="mask", resume=True))
    other = small.shapes(tmp_path / "other")
    for split in ("train", "val"):

        def act(content):
            content["categories"][2]["id"] = 9
            for one in content["annotations"]:
                one["category_id"] = {7: 9}.get(one["category_id"], one["category_id"])

        small.change(other, act, split)
    with pytest.raises(TrainingError, match=r"categories of the training to resume"):
        small.course(small.options(tmp_path / "run", other, resume=True))


def test_the_loss_is_the_mean_over_the_images(tmp_path, folder):
    """Three images and one more have the losses of the four, where nothing is drawn."""
    chosen = small.options(tmp_path, folder)
    trainer = small.course(chosen).trainer
    trainer.model.rpn.fg_bg_sampler.batch_size_per_image = 1 << 20  # all anchors
    scenes = small.open_scenes(str(folder), False).train
    ((images, targets),) = training_batches(scenes, [np.arange(4)], 0, 0, False)
    torch.manual_seed(0)
    total = trainer.step.loss(images, targets)
    torch.manual_seed(0)
    parts = trainer.model(images, targets)
    assert total.item() == pytest.approx(4 * sum(parts.values()).item(), rel=1e-6)


@pytest.mark.parametrize("arithmetic", ["mmdetection", "torchvision"])
def test_mixed_precision_keeps_coordinates(tmp_path, folder, arithmetic):
    """The loss is near that of float32 where all proposals are learnt from, and none is drawn."""
    own = {"arithmetic": arithmetic}
    scenes = small.open_scenes(str(folder), True).train
    ((images, targets),) = training_batches(scenes, [np.arange(4)], 0, 0, True)
    losses, states = [], []
    for precision in ("float32", "bfloat16"):
        chosen = small.options(tmp_path, folder, kind="mask", detector=own, precision=precision)
        trainer = small.course(chosen).trainer
        for sampler in (trainer.model.rpn.fg_bg_sampler, trainer.model.roi_heads.fg_bg_sampler):
            sampler.batch_size_per_image = 1 << 20
        losses.append(trainer.step.loss(images, [dict(target) for target in targets]))
        losses[-1].backward()
        states.append(dict(trainer.model.named_parameters()))
    assert losses[1].dtype == torch.float32 and losses[1] != losses[0]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.02)
    assert all(array.dtype == torch.float32 for array in states[1].values())
    for name, array in states[1].items():
        assert torch.isfinite(array.grad).all(), name


def test_a_training_in_mixed_precision_is_saved_in_full(tmp_path, folder):
    training = small.run(small.options(tmp_path, folder, precision="bfloat16", steps=2))
    opened = open_detector(tmp_path / LAST["torch"], torch.device("cpu"))
    loaded = dict(opened.model.named_parameters())
    floats = [a for a in last(tmp_path)["state_dict"].values() if a.is_floating_point()]
    assert {array.dtype for array in floats} == {torch.float32}
    for name, array in training.trainer.model.named_parameters():
        assert torch.equal(array, loaded[name]) and torch.isfinite(array).all(), name


def test_the_published_schedule():
    recipe = RECIPES["coco"]
    per_epoch = 7330  # 117,266 images of 16
    steps = (0, 250, 500, 8 * per_epoch - 1, 8 * per_epoch, 11 * per_epoch, 12 * per_epoch - 1)
    rates = [recipe.learning_rate(step, per_epoch) for step in steps]
    assert rates == pytest.approx([2e-5, 0.01001, 0.02, 0.02, 0.002, 0.0002, 0.0002], rel=1e-9)
    assert (recipe.epochs, recipe.batch_size, recipe.weight_decay) == (12, 16, 1e-4)
    options = parse_training(["--model", "od_resnet50", "--data", "x", "--start", "y"], "detect")
    assert (options.detector.min_size, options.detector.max_size) == (800, 1333)
    assert (options.detector.rois, options.detector.channels) == (512, 256)
    assert options.recipe == recipe
    chosen = ["--model", "od_resnet18", "--data", "x", "--recipe", "small", "--step-epochs", "5"]
    recipe = parse_training(chosen, "detect").recipe
    rates = [recipe.learning_rate(100 * epoch, 100) for epoch in (4, 5, 9, 10)]
    assert rates == pytest.approx([0.02, 0.002, 0.002, 0.0002])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--model", "od_resnet50"], "--start CKPT, as --recipe coco"),
        (["--model", "od_resnet50", "--recipe", "small", "--freeze-norms"], "--start CKPT"),
        ([], "--model NAME or --spec"),
        (["--model", "od_resnet55"], "did you mean"),
        (["--spec", "a.json", "--option", "kernel_num=4"], "--spec alone, received --option"),
        (["--model", "od_resnet50", "--recipe", "small", "--max-size", "64"], "max_size"),
        (["--model", "od_resnet50", "--recipe", "small", "--freeze-stages", "9"], "freeze_stages"),
    ],
)
def test_options_that_are_refused(arguments, match):
    with pytest.raises(TrainingError, match=match):
        parse_training([*arguments, "--data", "x"], "detect")


@pytest.mark.slow
def test_killed_and_resumed_is_bit_identical(tmp_path, folder):
    common = ["--data", folder, "--model", "od_mobilenetv2_050", "--recipe", "small"]
    common += ["--epochs", 2, "--channels", 8, "--rois", 16, "--min-size", 64, "--workers", 0]
    common += ["--checkpoint-steps", 1, "--quiet"]
    small.call("train", *common, "--output", tmp_path / "whole")
    parts = tmp_path / "parts"
    for steps in (1, 4):
        process = subprocess.Popen(
            small.command("train", *common, "--output", parts, "--resume"),
            env=small.ENVIRONMENT,
            cwd=small.ROOT,
        )
        table = parts / "train.csv"
        while process.poll() is None and (
            not table.exists() or table.read_text().count("\n") <= steps
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was faster than the kill"
    small.call("train", *common, "--output", parts, "--resume")
    assert same_arrays(last(tmp_path / "whole"), last(parts))
    one, two = (rows(path / "train.csv") for path in (tmp_path / "whole", parts))
    assert one["loss"] == two["loss"]


@pytest.mark.slow
def test_two_processes_train_together_and_score_as_one(tmp_path, folder):
    common = ["--data", folder, "--model", "od_mobilenetv2_050", "--recipe", "small"]
    common += ["--epochs", 1, "--channels", 8, "--rois", 16, "--min-size", 64, "--workers", 0]
    common += ["--quiet"]
    small.call("train", *common, "--output", tmp_path / "two", processes=2)
    found = last(tmp_path / "two")
    assert found["step"] == 3
    assert (tmp_path / "two" / LAST["torch"]).exists()
    score = small.call("evaluate", tmp_path / "two" / LAST["torch"], "--data", folder)
    again = small.call("evaluate", tmp_path / "two" / LAST["torch"], "--data", folder, processes=2)
    assert score.stdout == again.stdout
