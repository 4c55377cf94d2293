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
from tests.vision.yolo import convolutions, predictions, stir, train, write_images

NAMES = ("yolov8n", "yolov8n-od1", "yolov8n-od4", "yolo11n", "yolo11n-od1", "yolo11n-od4")
SIZE = (640, 640)
COLUMNS = (
    "model | dynamic | parameters | GFLOPs | of odconv_spec | fused, 3 classes | of odconv_spec "
    "| 3 epochs, s | fused differs | in float64 | float32 from float64 | ONNX differs at 1 | at 3 "
    "| largest difference / largest prediction"
)


def row(name, folder, data):
    model = YOLO(str(config_path(name)) if "-" in name else f"{name}.yaml")
    counts = len(dynamic_paths(model.model)), sum(p.numel() for p in model.model.parameters())
    flops = model.model.info(imgsz=[*SIZE])[3]
    ours = convolutions(model.model, SIZE)
    start = perf_counter()
    train(model, folder / name, data, epochs=3)
    seconds = perf_counter() - start
    model = YOLO(shutil.copy(model.trainer.best, folder / f"{name}.pt"))
    assert len(dynamic_paths(model.model)) == counts[0]
    network = stir(model.model)
    exported = model.export(format="onnx", imgsz=64, dynamic=True, device="cpu")
    session = onnxruntime.InferenceSession(exported)
    x = torch.rand(2, 3, 64, 96)
    onnx = [onnx_difference(session, network, batch) for batch in (1, 3)]
    folded = [fused_difference(copy.deepcopy(network).to(x.dtype), x) for x in (x, x.double())]
    largest = max(folded[0], *onnx) / float(predictions(network, x).abs().max())
    figures = (*folded, rounding(network, x), *onnx, largest)
    fused = network.fuse(verbose=False)
    numbers = f"{counts[0]} | {counts[1]:,} | {flops:.3f} | {ours:.3f}"
    counted = f"{fused.info(imgsz=[*SIZE])[3]:.3f} | {convolutions(fused, SIZE):.3f}"
    return (
        f"| {name} | {numbers} | {counted} | {seconds:.0f} | "
        + " | ".join([*(f"{value:.1e}" for value in figures), ""]).rstrip()
    )


def fused_difference(network, x):
    before = predictions(network, x)
    return float((predictions(network.fuse(verbose=False), x) - before).abs().max())


def rounding(network, x):
    """How far float32 is from the exact predictions, without any fusing."""
    exact = predictions(copy.deepcopy(network).double(), x.double())
    return float((predictions(network, x) - exact).abs().max())


def onnx_difference(session, network, batch):
    x = torch.rand(batch, 3, 64, 96)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return abs(found - predictions(network, x).numpy()).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    names = parser.parse_args().names
    register()
    with tempfile.TemporaryDirectory() as folder:
        data = write_images(Path(folder) / "data")
        rows = [row(name, Path(folder), data) for name in names]
    print("\n".join([f"| {COLUMNS} |", *rows]))


if __name__ == "__main__":
    main()
