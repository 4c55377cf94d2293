"""Images with rectangles for the models of ultralytics, and what those models are asked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from ultralytics.nn.modules.block import Attention
from ultralytics.nn.modules.head import Detect

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
    """Random norms, attentions and biases of the outputs: a network as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, DynamicConv):
            for name, parameter in module.named_parameters():
                if "fc" in name:
                    parameter.data.normal_(0, 0.3, generator=generator)
        if isinstance(module, Detect):
            for branch in (*module.cv2, *module.cv3):  # boxes and scores of one map
                branch[-1].bias.data.normal_(0, 2, generator=generator)
    return network.eval()


@torch.no_grad()
def predictions(network, x):
    """(batch, 4 + classes, places)"""
    return network(x)[0]


class Difference(NamedTuple):
    """The largest one of each kind of output.

    Attributes:
        scores: numbers from 0 to 1.
        boxes: in pixels.
        relative: of the boxes, over the largest number in them.
    """

    scores: float
    boxes: float
    relative: float


def difference(found, wanted):
    """Of predictions."""
    boxes, scores = (part.abs().max().item() for part in (found - wanted).tensor_split([4], dim=1))
    return Difference(scores, boxes, boxes / wanted[:, :4].abs().max().item())


def close(found, wanted):
    """Boxes are numbers up to 500, in pixels: some units in the last place of float32."""
    differs = difference(found, wanted)
    return differs.scores <= 1e-6 and differs.relative <= 5e-7


class Work(NamedTuple):
    """What one image takes, in GFLOPs as ultralytics prints them: twice the multiply-adds.

    Attributes:
        convolutions: static and dynamic ones, by `odconv_spec.multiply_adds`.
        norms: thop counts four for each number, a difference, a quotient, a product and a sum.
        products: of the attention in YOLO11, queries by keys and weights by values.
    """

    convolutions: float
    norms: float
    products: float

    @property
    def total(self):
        return sum(self)


@torch.no_grad()
def work(network, size):
    """Counted from shapes alone, without thop."""
    calls, handles = [], []
    for layer in _counted(network):
        handles.append(layer.register_forward_hook(lambda *call: calls.append(call)))
    network.eval()(torch.zeros(1, 3, *size))
    for handle in handles:
        handle.remove()
    terms = {_of_conv: 0, _of_norm: 0, _of_attention: 0}
    for layer, (x,), _ in calls:
        count = _counting(layer)
        terms[count] += 2e-9 * count(layer, x)
    return Work(*terms.values())


def _counted(module):
    """Layers that are counted; those inside a dynamic convolution are counted with it."""
    for child in module.children():
        if _counting(child):
            yield child
        if not isinstance(child, DynamicConv):
            yield from _counted(child)


def _counting(layer):
    if isinstance(layer, DynamicConv | nn.Conv2d):
        return _of_conv
    if isinstance(layer, nn.BatchNorm2d):
        return _of_norm
    return _of_attention if isinstance(layer, Attention) else None


def _of_conv(layer, x):
    spec = layer.spec if isinstance(layer, DynamicConv) else static_spec(layer)
    return multiply_adds(spec, tuple(x.shape[2:]))


def _of_norm(layer, x):
    return 4 * x.numel()


def _of_attention(layer, x):
    positions = x.shape[2] * x.shape[3]
    return positions**2 * layer.num_heads * (layer.key_dim + layer.head_dim)


def python(code, *arguments, **variables):
    """Runs code in a process of its own, without a network; returns the completed process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
