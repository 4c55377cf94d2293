"""The confusion of the classes that a network knows worst, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from odconv_training.evaluation import Evaluation
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.part import check_destination

SUFFIXES = (".pdf", ".png", ".svg")
_SHOWN = 20  # classes; more cells cannot be read


def check_picture(path: Path, overwrite: bool) -> None:
    """Raises an error where the picture cannot be written, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{legible(path.name)}: expected a picture's name in {' '.join(SUFFIXES)}")
    check_destination(path, overwrite)


def draw(found: Evaluation, path: Path, overwrite: bool) -> None:
    """Writes the picture; see `check_picture`."""
    figure = confusion_figure(found)
    with replacing(path, overwrite) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=110)


def worst_classes(found: Evaluation) -> list[int]:
    """Labels of the classes with the most wrong answers, of them or for them, in their order."""
    confusion = found.score.confusion
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * confusion.diagonal()  # (classes,)
    return sorted(np.argsort(-wrong, kind="stable")[:_SHOWN].tolist())


def confusion_figure(found: Evaluation) -> Figure:
    """A row for each class, in percent of its images; the cells have the counts."""
    labels = worst_classes(found)
    totals = found.score.confusion.sum(axis=1)[labels]
    counts = found.score.confusion[np.ix_(labels, labels)]  # (truths, answers)
    percent = 100 * counts / np.maximum(totals, 1)[:, None]
    size = 2.5 + 0.42 * len(labels)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if percent[row, column] > 50 else "black"
            axis.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    names = [found.name(label) for label in labels]
    axis.set_xticks(range(len(names)), names, rotation=90)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="answer", ylabel="class")
    every = len(found.score.confusion)
    shown = f"the {len(labels)} worst of {every} classes" if len(labels) < every else "all classes"
    axis.set_title(f"{found.checkpoint}: top-1 {found.score.top1:.2f} %\n{shown}", fontsize=9)
    figure.colorbar(image, ax=axis, label="% of the class")
    return figure
