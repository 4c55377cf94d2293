"""What a detector finds, drawn into the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from odconv_training.detection.coco import Category
from odconv_training.detection.results import Detections
from weights_converter.errors import legible

# Of Paul Tol's "bright" scheme, which readers who do not see all colours can tell apart.
_COLOURS: Final = ((68, 119, 170), (238, 102, 119), (34, 136, 51), (204, 187, 68), (102, 204, 238))
_OPACITY = 0.45


def drawn(image: Image.Image, found: Detections, categories: Sequence[Category]) -> Image.Image:
    """A copy of an RGB image with each object's mask, box, name and score.

    Args:
        image: in which it was found.
        found: objects, of which the most certain are drawn last.
        categories: whose names the labels have.
    """
    pixels = np.asarray(image, np.float32)
    order = range(len(found.scores) - 1, -1, -1)
    if found.masks is not None:
        for index in order:
            share = _OPACITY * found.masks[index][:, :, None]  # (height, width, 1)
            pixels = (1 - share) * pixels + share * np.array(_colour(found, index), np.float32)
    result = Image.fromarray(pixels.round().astype(np.uint8))
    draw = ImageDraw.Draw(result)
    for index in order:
        box, colour = found.boxes[index].tolist(), _colour(found, index)
        name = legible(categories[int(found.labels[index])].name)
        draw.rectangle(box, outline=colour, width=2)
        _write(draw, box[:2], f"{name} {found.scores[index]:.2f}", colour)
    return result


def _colour(found: Detections, index: int) -> tuple[int, int, int]:
    return _COLOURS[int(found.labels[index]) % len(_COLOURS)]


def _write(
    draw: ImageDraw.ImageDraw, place: Sequence[float], text: str, colour: tuple[int, int, int]
) -> None:
    """White on a ground of the colour, within the image where the box is at its border."""
    left, top = max(place[0], 0.0), max(place[1], 0.0)
    draw.rectangle(draw.textbbox((left + 1, top), text), fill=colour)
    draw.text((left + 1, top), text, fill=(255, 255, 255))
