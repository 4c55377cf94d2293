"""Images of circles, triangles and squares in COCO's format, to try a detector on."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import cos, pi, sin
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from odconv_training.detection.coco import Category

# With holes between the ids, as COCO's own have.
CATEGORIES: Final = (Category(1, "circle"), Category(3, "triangle"), Category(7, "square"))
_CORNERS: Final = (24, 3, 4)  # of the polygon of each
_MOST, _TRIES = 4, 20  # objects of an image, and places that are tried for each

Polygon = npt.NDArray[np.float64]  # (corners, 2), x and y


def write_shapes(folder: Path, images: int = 300, size: int = 128, seed: int = 0) -> None:
    """Writes images and annotations, the last fifth of them as val, the others as train.

    Each has one to four objects that do not overlap, each with its polygon, on a ground of noise.

    Args:
        folder: of COCO's layout, which is made.
        images: how many.
        size: of an image, in pixels over a side.
        seed: equal ones give equal files.

    Raises:
        OSError: a file cannot be written.
    """
    generator = np.random.default_rng(seed)
    held_out = images // 5
    for split, count in (("train", images - held_out), ("val", held_out)):
        _write_split(folder, split, count, size, generator)


def _write_split(
    folder: Path, split: str, count: int, size: int, generator: np.random.Generator
) -> None:
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for place in (folder / split, folder / "annotations"):
        place.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        name = f"{number:06d}.png"
        image, objects = _scene(size, generator)
        image.save(folder / split / name)
        rows["images"].append({"id": number, "file_name": name, "width": size, "height": size})
        for label, polygon in objects:
            rows["annotations"].append(
                _annotation(len(rows["annotations"]) + 1, number, label, polygon)
            )
    names = [{"id": category.id, "name": category.name} for category in CATEGORIES]
    text = json.dumps({**rows, "categories": names})
    (folder / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")


def _scene(
    size: int, generator: np.random.Generator
) -> tuple[Image.Image, list[tuple[int, Polygon]]]:
    ground = generator.integers(0, 256, 3) + generator.normal(0, 16, (size, size, 3))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    draw, objects = ImageDraw.Draw(image), []
    fits = _free_places()
    for _ in range(generator.integers(1, _MOST + 1)):
        label = int(generator.integers(len(CATEGORIES)))
        polygon = _placed(label, size, generator, fits)
        if polygon is not None:
            colour = tuple(map(int, generator.integers(0, 256, 3)))
            draw.polygon([(x, y) for x, y in polygon.tolist()], fill=colour, outline=(0, 0, 0))
            objects.append((label, polygon))
    return image, objects


def _placed(
    label: int, size: int, generator: np.random.Generator, fits: Callable[[Polygon], bool]
) -> Polygon | None:
    """A polygon in a free place; None where none is found in some tries."""
    for _ in range(_TRIES):
        radius = generator.uniform(0.1, 0.22) * size
        centre = generator.uniform(radius + 1, size - radius - 1, 2)
        turn, corners = generator.uniform(0, 2 * pi), _CORNERS[label]
        angles = [turn + 2 * pi * corner / corners for corner in range(corners)]
        polygon = centre + radius * np.array([(cos(a), sin(a)) for a in angles])
        if fits(polygon):
            return polygon
    return None


def _free_places() -> Callable[[Polygon], bool]:
    """Says of a polygon whether its box overlaps none before, and remembers it if so."""
    taken: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []

    def fits(polygon: Polygon) -> bool:
        low, high = polygon.min(0) - 2, polygon.max(0) + 2
        if any((low < other).all() and (high > least).all() for least, other in taken):
            return False
        taken.append((low, high))
        return True

    return fits


def _annotation(number: int, image: int, label: int, polygon: Polygon) -> dict[str, Any]:
    (left, top), (right, bottom) = polygon.min(0).tolist(), polygon.max(0).tolist()
    x, y = polygon.T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES[label].id,
        "bbox": [left, top, right - left, bottom - top],
        "area": float(area),
        "iscrowd": 0,
        "segmentation": [[round(value, 2) for value in polygon.ravel().tolist()]],
    }
