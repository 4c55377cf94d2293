"""Which detector the names and shapes of arrays are of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import combinations, count, takewhile
from typing import NamedTuple

from odconv_spec.backbone import BackboneSpec
from odconv_spec.detectors.codes import CODES, Code
from odconv_spec.detectors.spec import MASK_CHANNELS, TITLES, DetectorSpec, detector_maps
from odconv_spec.evidence import Shapes, UnexplainedError, dimension, possible

_SIGNS = ("rpn", "objectness", "first", "second", "scores", "boxes")  # of two stages


class Heads(NamedTuple):
    """What the heads of a detector show.

    Attributes:
        code: whose names and class order they have.
        task: "faster_rcnn" or "mask_rcnn".
        num_classes: without the background.

    Example:
        >>> spec = DetectorSpec("mask_rcnn", model_spec("od_resnet50"), 3, code="mmdetection")
        >>> heads = heads_of({p.name: p.shape for p in spec.parameters()})
        >>> heads.code.name, heads.task, heads.num_classes
        ('mmdetection', 'mask_rcnn', 3)
    """

    code: Code
    task: str
    num_classes: int

    def __str__(self) -> str:
        return f"{TITLES[self.task]}, {self.num_classes} classes"


def heads_of(shapes: Shapes) -> Heads | None:
    """What the heads of Faster or Mask R-CNN show, None of arrays that are of no such detector.

    Returns:
        The code, the task and the number of classes, or None.

    Raises:
        UnexplainedError: the scores have no axis of classes.

    Example:
        >>> spec = DetectorSpec("faster_rcnn", model_spec("od_resnet18"), num_classes=7)
        >>> heads_of({p.name: p.shape for p in spec.parameters()}).num_classes
        7
        >>> heads_of({"layer1.0.conv1.weight": (64, 64, 3, 3)}) is None
        True
    """
    code = code_of(shapes)
    if code is None:
        return None
    task = "mask_rcnn" if f"{code.path('masks')}.weight" in shapes else "faster_rcnn"
    return Heads(code, task, dimension(shapes, f"{code.path('scores')}.bias", 0) - 1)


def code_of(names: Collection[str]) -> Code | None:
    """The code that calls the arrays of Faster or Mask R-CNN so, None if no code does.

    Returns:
        The row of the code, or None.

    Example:
        >>> from odconv_spec import model_spec
        >>> spec = DetectorSpec("faster_rcnn", model_spec("resnet18"), code="mmdetection")
        >>> code_of([parameter.name for parameter in spec.parameters()]).name
        'mmdetection'
    """
    for code in CODES.values():
        weights = (f"{code.path(part)}.weight" for part in _SIGNS)
        if all(name in names for name in weights):
            return code
    return None


def detector_from_arrays(shapes: Shapes, heads: Heads, body: BackboneSpec) -> DetectorSpec:
    """The spec of the detector that has these arrays.

    Args:
        shapes: name in the code -> canonical shape; those of linear layers may be transposed.
        heads: what they show.
        body: its spec, from the arrays below `heads.code.path("body")`.

    Returns:
        The spec, whose arrays have exactly these names and shapes.

    Raises:
        UnexplainedError: no such detector has these arrays.

    Example:
        >>> spec = DetectorSpec("faster_rcnn", model_spec("od_resnet18", num_classes=0), 7)
        >>> shapes = {p.name: p.shape for p in spec.parameters()}
        >>> detector_from_arrays(shapes, heads_of(shapes), spec.body) == spec
        True
    """
    code = heads.code
    count = _laterals(shapes, code)
    laterals = [f"{code.path('lateral', place, count)}.weight" for place in range(count)]
    if not laterals:
        raise UnexplainedError(
            f"a detector of {code.name} without a feature pyramid",
            help="Faster and Mask R-CNN are known with one; --prefix takes the body alone",
        )
    channels = [dimension(shapes, name, 1) for name in laterals]
    with possible("detector"):
        return DetectorSpec(
            task=heads.task,
            body=replace(body, num_classes=0),
            num_classes=heads.num_classes,
            maps=_maps(body, channels),
            out_channels=dimension(shapes, laterals[0], 0),
            mask_channels=_mask_channels(shapes, heads),
            code=code.name,
        )


def _mask_channels(shapes: Shapes, heads: Heads) -> int:
    if heads.task != "mask_rcnn":
        return MASK_CHANNELS
    return dimension(shapes, f"{heads.code.path('masks')}.weight", 1)


def _laterals(shapes: Shapes, code: Code) -> int:
    """How many maps the pyramid takes."""
    if "last_lateral" in code.layers:  # whose numbers say how many there are
        return next((n for n in range(4, 0, -1) if _has(shapes, code, "lateral", 0, n)), 0)
    places = takewhile(lambda place: _has(shapes, code, "lateral", place), count())
    return sum(1 for _ in places)


def _has(shapes: Shapes, code: Code, part: str, number: int, of: int = 0) -> bool:
    return f"{code.path(part, number, of or number + 1)}.weight" in shapes


def _maps(body: BackboneSpec, channels: list[int]) -> tuple[int, ...]:
    """The places of maps of these widths: the published ones before others."""
    infos = (*body.feature_info(), *body.further_maps())
    for places in (detector_maps(body), *_last_first(len(infos), len(channels))):
        if [infos[place].channels for place in places] == channels:
            return places
    offered = ", ".join(f"{info.channels} ({info.name})" for info in infos)
    raise UnexplainedError(
        f"the pyramid takes maps of {channels} channels; {body.name} has {offered}"
    )


def _last_first(infos: int, maps: int) -> Iterator[tuple[int, ...]]:
    return (tuple(sorted(c)) for c in combinations(reversed(range(infos)), maps))
