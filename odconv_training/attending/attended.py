"""What the attentions of a checkpoint see in images, in any framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from odconv_training.attending.chosen import Chosen, choose_images
from odconv_training.attending.measures import LayerAttentions, collected
from odconv_training.batches import in_order
from odconv_training.evaluation import (
    Framework,
    data_of_the_user,
    load_classifier,
    output_name,
)
from weights_converter.errors import UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.request import Request

_MOST_NAMES = 8  # in an error message


@dataclass(frozen=True)
class AttendedImages:
    """The attentions of a checkpoint's dynamic layers for some images.

    Attributes:
        checkpoint: the file's name.
        model: what the checkpoint is of.
        framework: which computed.
        images: where they are from.
        chosen: those that were looked at.
        answers: the class that the network takes each for.
        layers: in the order of the network.
    """

    checkpoint: str
    model: str
    framework: str
    images: str
    chosen: Chosen
    answers: tuple[str, ...]
    layers: tuple[LayerAttentions, ...]

    @property
    def static(self) -> tuple[str, ...]:
        """Paths of the layers that do the same to every image."""
        return tuple(layer.path for layer in self.layers if layer.is_static)

    def to_dict(self) -> dict[str, Any]:
        labels, classes = self.chosen.samples.labels, self.chosen.classes
        return {
            "checkpoint": self.checkpoint,
            "model": self.model,
            "framework": self.framework,
            "images": self.images,
            "count": len(labels),
            "classes": list(classes),
            "static": list(self.static),
            "layers": [layer.to_dict(labels, classes) for layer in self.layers],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.checkpoint}: {self.model}, in {self.framework}",
            f"{len(self.answers)} images of {self.images}",
            "dynamic layers that do the same to every image: "
            f"{len(self.static)} of {len(self.layers)}",
        ]
        width = max(len(layer.path) for layer in self.layers)
        for layer in self.layers:
            spreads = ", ".join(f"{k} {100 * v:.1f} %" for k, v in layer.spreads.items())
            lines.append(f"{layer.path:<{width}}  {spreads}{_remark(layer)}")
        return "\n".join(lines)


def attend_checkpoint(
    request: Request,
    images: str,
    framework: Framework,
    *,
    layers: str,
    count: int,
    seed: int,
    batch_size: int,
    image_size: int,
    workers: int,
) -> AttendedImages:
    """Looks at the attentions of a checkpoint, which is opened once; see `odconv.attend`."""
    with data_of_the_user():
        chosen = choose_images(images, count, seed)
    _, spec, names, network = load_classifier(request, framework)
    calls = in_order(np.arange(len(chosen.names)), batch_size)
    with data_of_the_user():
        found = list(framework.attentions(network, chosen.samples, calls, image_size, workers))
    file = legible(Path(request.path).name)
    attended = collected([attentions for attentions, _ in found]) if found[0][0] else []
    if not attended:
        raise UsageError(
            f"{file}: expected a network with ODConv, DyConv or CondConv layers, whose attentions "
            f"can be drawn, received {describe(spec)}",
            help="replace_convs puts such layers into a trained network; layers of other kinds "
            "have a method `attentions`",
        )
    answers = np.concatenate([logits for _, logits in found]).argmax(axis=1)
    return AttendedImages(
        file,
        describe(spec),
        framework.name,
        legible(images),
        chosen,
        tuple(output_name(names or chosen.classes, int(label)) for label in answers),
        _matching(attended, layers),
    )


def _matching(layers: Sequence[LayerAttentions], pattern: str) -> tuple[LayerAttentions, ...]:
    found = tuple(layer for layer in layers if fnmatchcase(layer.path, pattern))
    if not found:
        paths = ", ".join(layer.path for layer in layers[:_MOST_NAMES])
        more = f" and {len(layers) - _MOST_NAMES} more" if len(layers) > _MOST_NAMES else ""
        raise UsageError(
            f"--layers: expected a pattern of some of {paths}{more}, received {legible(pattern)}, "
            "which fits none"
        )
    return found


def _remark(layer: LayerAttentions) -> str:
    entropy = "" if layer.entropies is None else f"; entropy {layer.entropies.mean():.3f}"
    return f"{entropy}{'; static' if layer.is_static else ''}"
