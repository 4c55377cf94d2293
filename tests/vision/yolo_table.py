"""Trains YOLO models for three epochs on rectangles, and prints what docs/yolo.md shows.

python -m tests.vision.yolo_table --names yolov8n yolov8n-od4
"""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import tests.vision.conftest  # noqa: F401  # before ultralytics

import onnxruntime  # isort: skip
import torch
from ultralytics import YOLO

from odconv_torch.ultralytics import config_path, register
from odconv_torch.ultralytics.building import dynamic_paths
from tests.vision.yolo import difference, predictions, stir, train, work, write_images

NAMES = ("yolov8n", "yolov8n-od1", "yolov8n-od4", "yolo11n", "yolo11n-od1", "yolo11n-od4")
SIZE = (640, 640)
COUNTS = (
    "model | dynamic convolutions | parameters | `info()`, GFLOPs | counted | of it convolutions "
    "| norms | products of attentions | fused, `info()` | counted"
)
DIFFERENCES = (
    "model | fused: outputs of the head | scores | boxes, pixels | of the largest | in float64 "
    "| ONNX, batch 1: scores | boxes | batch 3: scores | boxes "
    "| float32 from float64 | its decoding alone"
)


def built(name):
    return YOLO(str(config_path(name)) if "-" in name else f"{name}.yaml")


def counts(name):
    network = built(name).model
    parameters = sum(p.numel() for p in network.parameters())
    cells = [name, len(dynamic_paths(network)), f"{parameters:,}"]
    flops, terms = network.info(imgsz=[*SIZE])[3], work(network, SIZE)
    cells += [f"{value:.3f}" for value in (flops, terms.total, *terms)]
    fused = network.fuse(verbose=False)
    return [*cells, *(f"{v:.3f}" for v in (fused.info(imgsz=[*SIZE])[3], work(fused, SIZE).total))]


def differences(name, folder, data):
    model = built(name)
    count, start = len(dynamic_paths(model.model)), perf_counter()
    train(model, folder / name, data, epochs=3)
    print(f"{name}: trained in {perf_counter() - start:.0f} s")
    model = YOLO(shutil.copy(model.trainer.best, folder / f"{name}.pt"))
    assert len(dynamic_paths(model.model)) == count
    network = stir(model.model)
    exported = model.export(format="onnx", imgsz=64, dynamic=True, device="cpu")
    session = onnxruntime.InferenceSession(exported)
    x = torch.rand(2, 3, 64, 96)
    exact = copy.deepcopy(network).double()
    found = [of_head(network, x), *of_fusing(network, x), of_fusing(exact, x.double()).boxes]
    for batch in (1, 3):
        found += of_onnx(session, network, batch)[:2]
    found += of_rounding(network, exact, x)
    return [name, *(f"{value:.1e}" for value in found)]


def of_fusing(network, x):
    fused = copy.deepcopy(network).fuse(verbose=False)
    return difference(predictions(fused, x), predictions(network, x))


@torch.no_grad()
def of_head(network, x):
    """What the convolutions of the head give, before boxes and scores are made of it."""
    before, after = (net(x)[1] for net in (network, copy.deepcopy(network).fuse(verbose=False)))
    return max((after[part] - before[part]).abs().max().item() for part in ("boxes", "scores"))


def of_onnx(session, network, batch):
    x = torch.rand(batch, 3, 64, 96)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return difference(torch.from_numpy(found), predictions(network, x))


@torch.no_grad()
def of_rounding(network, exact, x):
    """Pixels between boxes in float32 and the exact ones, without any fusing.

    Returns:
        Of the network, and of its decoding of outputs of the head that are exact but for a rounding
        to float32.
    """
    wanted, outputs = exact(x.double())
    rounded = {"feats": [y.float() for y in outputs["feats"]]}
    rounded |= {part: outputs[part].float() for part in ("boxes", "scores")}
    decoded = network.model[-1]._inference(rounded)
    return [difference(found, wanted).boxes for found in (predictions(network, x), decoded)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    names = parser.parse_args().names
    register()
    counted = [counts(name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        data = write_images(Path(folder) / "data")
        differ = [differences(name, Path(folder), data) for name in names]
    for title, rows in ((COUNTS, counted), (DIFFERENCES, differ)):
        cells = [title.split(" | "), ["-"] * len(rows[0]), *rows]
        print("\n".join(f"| {' | '.join(map(str, row))} |" for row in cells))


if __name__ == "__main__":
    main()
