"""Images with rectangles for the models of ultralytics, and what those models are asked."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn

from odconv_spec import multiply_adds
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.from_static import static_spec

CLASSES = ("red", "green", "blue")


def write_images(folder, train=16, val=8, size=64):
    """A data set of colored rectangles; returns the path of its YAML."""
    draw = np.random.default_rng(3)
    for part, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for number in range(count):
            pixels, lines = _image(draw, size)
            Image.fromarray(pixels).save(folder / "images" / part / f"{number}.png")
            (folder / "labels" / part / f"{number}.txt").write_text("\n".join(lines))
    path = folder / "data.yaml"
    names = "".join(f"\n  {number}: {name}" for number, name in enumerate(CLASSES))
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:{names}\n")
    return path


def _image(draw, size):
    """(height, width, 3) with a rectangle of each of two classes, and their lines."""
    pixels, lines = draw.integers(0, 60, (size, size, 3), dtype=np.uint8), []
    for label in draw.permutation(len(CLASSES))[:2]:
        width, height = draw.integers(size // 4, size // 2, 2)
        left, top = draw.integers(0, size - width), draw.integers(0, size - height)
        pixels[top : top + height, left : left + width, label] = 220
        box = (left + width / 2, top + height / 2, width, height)
        lines.append(" ".join([str(label), *(f"{value / size:.6f}" for value in box)]))
    return pixels, lines


def train(model, folder, data, **options):
    """Trains on the CPU as quietly as ultralytics can."""
    usual = {"epochs": 1, "imgsz": 64, "batch": 8, "workers": 0, "device": "cpu"}
    quiet = {"plots": False, "verbose": False}
    return model.train(data=str(data), project=str(folder), name="run", **usual | quiet | options)


def stir(network, seed=0):
    """Random statistics of norms and random heads of attentions: a network as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, DynamicConv):
            for name, parameter in module.named_parameters():
                if "fc" in name:
                    parameter.data.normal_(0, 0.3, generator=generator)
    return network.eval()


@torch.no_grad()
def predictions(network, x):
    """(batch, 4 + classes, places)"""
    return network(x)[0]


def close(found, wanted):
    """Boxes are numbers up to 500, in pixels: some units in the last place of float32."""
    return (found - wanted).abs().max() <= 5e-7 * wanted.abs().max()


@torch.no_grad()
def convolutions(network, size):
    """Twice the multiply-adds of all convolutions by odconv_spec, in G, as ultralytics prints."""
    calls, handles = [], []
    for layer in _outermost(network):
        handles.append(layer.register_forward_hook(lambda *call: calls.append(call)))
    network.eval()(torch.zeros(1, 3, *size))
    for handle in handles:
        handle.remove()
    specs = [(getattr(layer, "spec", None) or static_spec(layer), x) for layer, (x,), _ in calls]
    return 2e-9 * sum(multiply_adds(spec, tuple(x.shape[2:])) for spec, x in specs)


def _outermost(module):
    for child in module.children():
        if isinstance(child, DynamicConv | nn.Conv2d):
            yield child
        else:
            yield from _outermost(child)


def python(code, *arguments, **variables):
    """Runs code in a process of its own, without a network; returns the completed process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
