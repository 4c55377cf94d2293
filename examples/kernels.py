"""The picture of the README, `python examples/kernels.py docs/kernels.png`.

What one ODConv layer does to five digits: the first 3x3 layer of the checkpoint of `odconv demo`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
import torch

from odconv import load_into
from odconv.demonstration.files import CHECKPOINT, digits, lay_out
from odconv_torch.models.factory import build_model
from odconv_training.digits import spec

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the choice of a backend without a screen

LAYER = "features.1.conv.0.0"
CHANNEL = 5  # of 32; every channel has kernels of its own
SHOWN = (1, 2, 8, 10, 5)  # among the 64 digits
BLUE, GREY = "#2a6f97", "#666666"


def main(path: str) -> None:
    images = digits().images[list(SHOWN)]
    stored, weights, taps = _seen(images)
    # (image, 3, 3): the sum of the stored kernels, each tap scaled
    mixed = taps * np.einsum("nk,khw->nhw", weights, stored)
    limit, weak = np.abs(stored).max(), np.abs(mixed).max()
    plt.rcParams["font.size"] = 10
    figure = plt.figure(figsize=(9.6, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 4.6))
    left.suptitle("stored: four kernels", color=GREY)
    for number, axis in enumerate(left.subplots(4, 1)):
        _map(axis, stored[number], "RdBu_r", -limit, limit)
        axis.set_ylabel(number + 1, rotation=0, labelpad=12, va="center")
    right.suptitle("computed anew for each image", color=GREY)
    rows = ("image", "weights of\nthe kernels", "scales of\nthe taps", "its kernel")
    axes = right.subplots(4, len(SHOWN))
    for row, text in zip(axes[:, 0], rows, strict=True):
        row.set_ylabel(text, rotation=0, labelpad=36, va="center")
    for column, image in enumerate(images[:, 0]):
        _map(axes[0, column], image, "gray", -1, 1)
        _bars(axes[1, column], weights[column])
        _map(axes[2, column], taps[column], "viridis", 0, 1)
        _map(axes[3, column], mixed[column], "RdBu_r", -weak, weak)
    figure.savefig(path, dpi=110)


def _seen(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernels (4, 3, 3) of a channel, their weights (images, 4), scales of taps (images, 3, 3)."""
    model = build_model(spec()).eval()
    with TemporaryDirectory() as folder:
        lay_out(Path(folder))
        load_into(model, Path(folder, CHECKPOINT))
    layer, found = model.get_submodule(LAYER), []
    layer.attention.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        model(torch.from_numpy(images))
    stored = layer.weight[:, CHANNEL, 0].detach().numpy()
    return stored, found[0].kernel.numpy(), found[0].spatial[:, 0, 0].numpy()


def _map(axis: plt.Axes, values: np.ndarray, colours: str, low: float, high: float) -> None:
    axis.imshow(values, cmap=colours, vmin=low, vmax=high)
    axis.set_xticks([])
    axis.set_yticks([])


def _bars(axis: plt.Axes, weights: np.ndarray) -> None:
    axis.bar(np.arange(1, len(weights) + 1), weights, color=BLUE)
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_xticks(range(1, len(weights) + 1))
    axis.tick_params(labelsize=8, length=0)
    axis.set_box_aspect(1)
    axis.spines[["top", "right", "left"]].set_visible(False)


if __name__ == "__main__":
    main(*sys.argv[1:])
