"""Annotations in COCO's format, https://cocodataset.org/#format-data, read and checked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from odconv_training.detection.regions import Region, check_region
from odconv_training.errors import TrainingError
from weights_converter.errors import legible


@dataclass(frozen=True)
class Category:
    """A class of objects; ids are any numbers, with or without holes between them."""

    id: int
    name: str


@dataclass(frozen=True)
class Annotation:
    """An object in an image.

    Attributes:
        id: as in the file.
        label: its category's place among the ids in their order, from 0.
        box: left, top, width and height in pixels, as in the file.
        area: of the object in pixels, by which it counts as small, medium or large.
        crowd: whether it is a group of objects, which is neither learnt nor counted as missed.
        region: polygons or runs of pixels; None where nobody needs it.
    """

    id: int
    label: int
    box: tuple[float, float, float, float]
    area: float
    crowd: bool
    region: Region | None


@dataclass(frozen=True)
class Picture:
    """An image of a file of annotations, with its size in pixels."""

    id: int
    name: str
    width: int
    height: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Place:
    """Where in a file of annotations something is wrong."""

    file: Path
    image: str = ""
    annotation: str = ""

    def error(self, expected: str, received: Any) -> TrainingError:
        """The error that says so."""
        where = ", ".join(filter(None, (legible(str(self.file)), self.image, self.annotation)))
        return TrainingError(f"{where}: expected {expected}, received {legible(repr(received))}")


def read_coco(
    file: Path, masks: bool = False, categories: Sequence[Category] | None = None
) -> tuple[tuple[Category, ...], tuple[Picture, ...]]:
    """The categories in the order of their ids, and the images in the order of the file.

    Args:
        file: JSON with "images", "annotations" and "categories".
        masks: whether the regions of objects are needed.
        categories: those that labels are to be places in; by default those of the file.

    Raises:
        TrainingError: something in it is not as COCO has it; the message names the file, the image
            and the annotation.
        OSError: the file cannot be read.
    """
    content = _content(file)
    own = _categories(file, content["categories"])
    known = own if categories is None else tuple(categories)
    _check_known(file, own, known)
    labels = {category.id: label for label, category in enumerate(known)}
    by_image = defaultdict(list)
    images = _images(file, content["images"])
    for annotation in _unique(file, "annotation", content["annotations"]):
        image = annotation.get("image_id")
        if not isinstance(image, int) or image not in images:
            place = Place(file, annotation=f"annotation {annotation['id']}")
            raise place.error("an image_id of its images", image)
        by_image[image].append(annotation)
    return known, tuple(
        _picture(file, image, by_image[image["id"]], labels, masks) for image in images.values()
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"expected JSON in {legible(str(file))}, received: {error}") from error
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise Place(file).error(f"a list {name!r}, as COCO has it", type(content).__name__)
    return dict(content)


def _unique(file: Path, what: str, rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Rows whose ids are whole numbers, each of its own."""
    seen = set()
    for index, row in enumerate(rows):
        number = row.get("id") if isinstance(row, dict) else row
        if isinstance(number, bool) or not isinstance(number, int) or number in seen:
            raise Place(file).error(f"an id of its own for {what} number {index}", number)
        seen.add(number)
        yield row


def _categories(file: Path, rows: Sequence[Any]) -> tuple[Category, ...]:
    found = []
    for row in _unique(file, "category", rows):
        if not isinstance(row.get("name"), str):
            raise Place(file).error(f"a name for category {row['id']}", row.get("name"))
        found.append(Category(row["id"], row["name"]))
    if not found:
        raise Place(file).error("at least one category", [])
    return tuple(sorted(found, key=lambda category: category.id))


def _check_known(file: Path, own: Sequence[Category], known: Sequence[Category]) -> None:
    strange = [f"{c.id} {c.name}" for c in own if c not in known]
    if strange:
        expected = ", ".join(f"{c.id} {c.name}" for c in known[:6])
        raise Place(file).error(f"categories among {expected}", ", ".join(strange[:6]))


def _images(file: Path, rows: Sequence[Any]) -> Mapping[int, dict[str, Any]]:
    found = {}
    for row in _unique(file, "image", rows):
        place = Place(file, f"image {row['id']}")
        if not isinstance(row.get("file_name"), str):
            raise place.error("a file_name", row.get("file_name"))
        for side in ("width", "height"):
            if not isinstance(row.get(side), int) or row[side] < 1:
                raise place.error(f"a {side} in pixels, at least 1", row.get(side))
        found[row["id"]] = row
    if not found:
        raise Place(file).error("at least one image", [])
    return found


def _picture(
    file: Path,
    image: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    labels: Mapping[int, int],
    masks: bool,
) -> Picture:
    name, width, height = image["file_name"], image["width"], image["height"]
    here = f"image {image['id']} ({name})"
    annotations = []
    for row in rows:
        place = Place(file, here, f"annotation {row['id']}")
        annotations.append(_annotation(place, row, labels, (height, width) if masks else None))
    return Picture(image["id"], name, width, height, tuple(annotations))


def _annotation(
    place: Place, row: dict[str, Any], labels: Mapping[int, int], size: tuple[int, int] | None
) -> Annotation:
    category, crowd = row.get("category_id"), row.get("iscrowd", 0)
    if not isinstance(category, int) or category not in labels:
        raise place.error("a category_id of its categories", category)
    if crowd not in (0, 1):
        raise place.error("an iscrowd of 0 or 1", crowd)
    box = _box(place, row.get("bbox"))
    area = row.get("area", box[2] * box[3])
    if not _is_number(area) or area < 0:
        raise place.error("an area of 0 or more pixels", area)
    region = None
    if size is not None:
        region = row.get("segmentation")
        complaint = check_region(region, *size)
        if complaint:
            raise place.error(f"a segmentation with {complaint}", _short(region))
    return Annotation(row["id"], labels[category], box, float(area), bool(crowd), region)


def _box(place: Place, box: Any) -> tuple[float, float, float, float]:
    right = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))
    if not right or box[2] < 0 or box[3] < 0:
        raise place.error("a bbox of left, top, width and height in pixels, none below 0", box)
    left, top, width, height = map(float, box)
    return left, top, width, height


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _short(value: Any, length: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."
