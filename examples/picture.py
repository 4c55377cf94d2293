"""What the attentions of one block see in a few digits, and how far the runtimes are apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from digits import GOLDEN, test_digits

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the choice of a backend without a screen

Results = Mapping[str, Mapping[str, np.ndarray]]

COLUMNS = (
    ("channel attention\n(depthwise 3x3)", "depthwise channel"),
    ("filter attention\n(expansion 1x1)", "expansion filter"),
    ("spatial attention\n(depthwise 3x3)", "depthwise spatial"),
    ("kernel attention\n(depthwise 3x3)", "depthwise kernel"),
)
BLUE, GREY = "#2a6f97", "#8a8a8a"


def draw(results: Results, path: Path) -> None:
    """Writes the picture. Depthwise layers have no filter attention: a neighbour's is shown."""
    images, labels = test_digits()
    attentions = results["torch"]
    rows = len(attentions["depthwise kernel"])
    figure = plt.figure(figsize=(13, 2.1 * rows + 3.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.1 * rows, 3.0))
    axes = upper.subplots(rows, len(COLUMNS) + 1, width_ratios=(1, 2, 2, 1, 1.4))
    for row in range(rows):
        _image(axes[row, 0], images[row, 0], f"test digit {labels[row]}")
        for axis, (title, key) in zip(axes[row, 1:], COLUMNS, strict=True):
            _attention(axis, attentions[key][row], title if row == 0 else "")
    upper.suptitle("Attentions of the second block, sample by sample")
    _differences(lower.subplots(), results)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _image(axis: plt.Axes, image: np.ndarray, title: str) -> None:
    axis.imshow(image, cmap="gray")
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _attention(axis: plt.Axes, values: np.ndarray, title: str) -> None:
    axis.set_title(title, fontsize=9)
    if values.ndim == 2:
        axis.imshow(values, cmap="viridis", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(values):
            text = "black" if value > 0.6 else "white"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=text, fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
        return
    if len(values) > 16:
        axis.stairs(values, fill=True, color=BLUE)  # hundreds of bars would leave stripes
    else:
        axis.bar(np.arange(len(values)), values, color=BLUE, width=0.9)
    axis.set_ylim(0, 1)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def _differences(axis: plt.Axes, results: Results) -> None:
    """For each runtime, every image's largest distance from the published logits."""
    golden = np.load(GOLDEN)["logits"]
    for row, found in enumerate(results.values()):
        distance = np.abs(found["logits"][: len(golden)] - golden).max(axis=1)
        jitter = np.random.default_rng(row).uniform(-0.25, 0.25, len(distance))
        axis.scatter(np.maximum(distance, 1e-8), row + jitter, s=9, color=BLUE, alpha=0.6)
    axis.axvline(1e-4, color=GREY, linestyle="--", linewidth=1)
    axis.text(1.05e-4, -0.45, "limit", color=GREY, fontsize=8)
    axis.set_xscale("log")
    axis.set_xlim(1e-7, 3e-4)
    axis.set_yticks(range(len(results)), list(results))
    axis.invert_yaxis()
    axis.set_xlabel("largest difference from the published logits, one dot for each of 64 images")
    axis.spines[["top", "right"]].set_visible(False)
