"""Detection trainings of a tiny network on generated shapes, in this process and in others."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

from odconv_spec import model_spec
from odconv_torch.detect import DetectionTrainer
from odconv_torch.detect.command import main
from odconv_torch.train.processes import Processes
from odconv_training.detection.course import DetectionCourse, with_categories
from odconv_training.detection.options import DetectionOptions
from odconv_training.detection.recipes import RECIPES, Detector
from odconv_training.detection.samples import open_scenes
from odconv_training.detection.shapes import write_shapes
from tests.processes import run_process

SPEC = model_spec(
    "od_resnet18", stages=[[6, 1], [8, 1], [10, 1], [12, 1]], stem_channels=6, num_classes=0
)
SMALL = {"channels": 8, "rois": 16, "min_size": 64, "max_size": 96}
ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
ALONE = Processes(0, 1, torch.device("cpu"))


def shapes(folder, images=15, size=64):
    """Three images to validate with, the others to train with."""
    write_shapes(folder, images, size, seed=1)
    return folder


def options(output, data, *, kind="faster", recipe=None, detector=None, **values):
    """Two epochs of three steps on twelve images."""
    chosen = replace(RECIPES["small"], batch_size=4, epochs=2, warmup_steps=2)
    return DetectionOptions(
        spec=values.pop("spec", SPEC),
        data=str(data),
        recipe=replace(chosen, **(recipe or {})),
        output=output,
        detector=Detector(kind, **SMALL, **(detector or {})),
        quiet=True,
        **values,
    )


def course(chosen):
    scenes = open_scenes(chosen.data, chosen.detector.masks)
    full = with_categories(chosen, scenes)
    return DetectionCourse(full, scenes, DetectionTrainer(full, ALONE))


def run(chosen):
    training = course(chosen)
    training.run()
    return training


def command(*arguments, processes=None):
    """`python -m odconv_torch.detect`, alone or by torchrun."""
    start = [sys.executable]
    if processes is not None:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*start, "-m", "odconv_torch.detect", *map(str, arguments)]


def call(*arguments, processes=None):
    run = run_process(
        command(*arguments, processes=processes),
        env=ENVIRONMENT,
    )
    return run


def change(folder, act, split="train"):
    """Lets `act` change the content of a file of annotations, whose path is returned."""
    path = Path(folder) / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    act(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def said(capsys, *arguments):
    """The one error that the command ends with."""
    assert main(list(map(str, arguments))) in (2, 5)
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") <= 2
    return message
