"""Which pixels of an image an object covers: polygons, or runs of pixels, as COCO has them.

Runs go down the columns of an image, from the left, and begin with pixels that are not the
object's. A text of them is that of COCO's own tools, and is read here only to check it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_training.errors import TrainingError

Region = Sequence[Sequence[float]] | Mapping[str, Any]  # polygons, or runs
Mask = npt.NDArray[np.uint8]  # (height, width) of 0 and 1

_CORNERS = 3
_BITS, _MORE, _SIGN, _ZERO = 5, 0x20, 0x10, 48  # of a character of a text of runs


def check_region(region: Any, height: int, width: int) -> str:
    """What the region of an object in an image lacks, in words; nothing where it is right."""
    if isinstance(region, list):
        return _check_polygons(region)
    if isinstance(region, dict):
        return _check_runs(region, height, width)
    return "polygons or runs of pixels, which masks are learnt from"


def mask_of(region: Region, height: int, width: int) -> Mask:
    """The pixels of a region that `check_region` has let pass, (height, width) of 0 and 1."""
    mask: Mask = np.asarray(mask_tools().decode(runs_of(region, height, width)), np.uint8)
    return mask


def runs_of(region: Region, height: int, width: int) -> Any:
    """The region as runs with a text for `counts`, as the evaluation takes it."""
    tools = mask_tools()
    if isinstance(region, Mapping):
        if isinstance(region["counts"], str):
            return region
        return tools.frPyObjects(dict(region), height, width)
    return tools.merge(
        tools.frPyObjects([list(map(float, part)) for part in region], height, width)
    )


def runs_of_mask(mask: Mask) -> dict[str, Any]:
    """A mask (height, width) as runs for JSON: "size" and, as a text, "counts"."""
    found = mask_tools().encode(np.asfortranarray(mask, np.uint8))
    counts = found["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in found["size"]], "counts": text}


def mask_tools() -> Any:
    """`faster_coco_eval.mask`.

    Raises:
        TrainingError: it is not installed.
    """
    try:
        from faster_coco_eval import mask
    except ImportError as error:
        raise TrainingError(
            "masks and AP need faster-coco-eval, which cannot be imported "
            f"({error}): pip install 'odconv[detection]'"
        ) from error
    return mask


def run_lengths(text: str) -> list[int]:
    """The lengths that a text of runs stands for; ValueError where it is cut or no such text.

    Each is written in characters of five bits, the lowest first, of which the last has a bit less
    to say that it is the last. From the fourth on it is the difference from the one two before.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _ZERO
        if not 0 <= bits < 1 << (_BITS + 1):
            raise ValueError(f"no character of runs: {character!r}")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the last run is cut")
    return lengths


def _check_polygons(polygons: Sequence[Any]) -> str:
    if not polygons:
        return "at least one polygon"
    for polygon in polygons:
        right = isinstance(polygon, list) and len(polygon) % 2 == 0
        if not right or len(polygon) < 2 * _CORNERS or not all(map(_is_number, polygon)):
            return "polygons of x and y in turn, of at least three corners"
    return ""


def _check_runs(region: Mapping[str, Any], height: int, width: int) -> str:
    counts = region.get("counts")
    if region.get("size") != [height, width]:
        return f"the size [{height}, {width}] of its image"
    try:
        lengths = run_lengths(counts) if isinstance(counts, str) else counts
    except ValueError as error:
        return f"runs of pixels ({error})"
    if not isinstance(lengths, list) or not all(type(n) is int and n >= 0 for n in lengths):
        return "runs of pixels"
    if sum(lengths) != height * width:
        return f"runs of {height * width} pixels in all"
    return ""


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)
