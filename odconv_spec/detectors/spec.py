"""Faster and Mask R-CNN: what they are made of, and every array that they store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, NamedTuple

from odconv_spec.backbone import BackboneSpec
from odconv_spec.conv import ConvSpec
from odconv_spec.detectors.codes import CODES
from odconv_spec.detectors.rows import rows_of
from odconv_spec.feature_maps import FeatureInfo, feature_indices
from odconv_spec.geometry import one_of, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.models import from_dict
from odconv_spec.parameters import Parameter, Role, under

TITLES: Final = {"faster_rcnn": "Faster R-CNN", "mask_rcnn": "Mask R-CNN"}
ANCHORS = 3  # at each position of a map, one of each ratio
CELLS = 7  # of a pooled box, over a side
HIDDEN = 1024  # of the two layers that see a box
MASK_CHANNELS = 256  # as published
MASK_CONVS = 4


class Piece(NamedTuple):
    """One array and the part of the detector that it is in."""

    part: str
    parameter: Parameter


@dataclass(frozen=True)
class DetectorSpec:
    """A detector of two stages with a feature pyramid on a body.

    Attributes:
        task: "faster_rcnn" or "mask_rcnn".
        body: of which the classifier, and what lies behind the last map, are no part of it.
        num_classes: without the background.
        maps: places of the body's maps that the pyramid takes, see `feature_indices`.
        out_channels: of the pyramid.
        mask_channels: of the layers that see a mask.
        code: whose names and class order the arrays have, "torchvision", "mmdetection" or
            "paddledetection".

    Raises:
        ValueError: an option is out of range, or the body has no such map.

    Example:
        >>> from odconv_spec import model_spec
        >>> spec = DetectorSpec("mask_rcnn", model_spec("od_resnet50", kernel_num=4))
        >>> spec.parameters()[-1].name
        'roi_heads.mask_predictor.mask_fcn_logits.bias'
        >>> spec.title
        'Mask R-CNN, FPN, od_resnet50 4 kernels, 80 classes'
    """

    task: str
    body: BackboneSpec
    num_classes: int = 80
    maps: tuple[int, ...] = ()
    out_channels: int = 256
    mask_channels: int = MASK_CHANNELS
    code: str = "torchvision"

    def __post_init__(self) -> None:
        one_of("task", self.task, tuple(TITLES))
        one_of("code", self.code, tuple(CODES))
        whole("num_classes", self.num_classes, 1)
        whole("out_channels", self.out_channels, 1)
        whole("mask_channels", self.mask_channels, 1)
        further = self.body.further_maps()
        chosen = self.maps or detector_maps(self.body)
        places = feature_indices(self.body.feature_info(), chosen, further=further)
        object.__setattr__(self, "maps", places)

    @property
    def name(self) -> str:
        """Such as "mask_rcnn_od_resnet50".

        Returns:
            The task and the name of the body.
        """
        return f"{self.task}_{self.body.name}"

    @property
    def title(self) -> str:
        """The detector in a few words.

        Returns:
            Task, pyramid, body, kernels and classes, as text.
        """
        kernels = dict(self.body.conv.options).get("kernel_num")
        of = "" if kernels is None else f" {kernels} kernel{'s' * (kernels != 1)}"
        return f"{TITLES[self.task]}, FPN, {self.body.name}{of}, {self.num_classes} classes"

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        """The maps that the pyramid takes.

        Returns:
            Name, channels and stride of each, the largest map first.
        """
        infos = (*self.body.feature_info(), *self.body.further_maps())
        return tuple(infos[place] for place in self.maps)

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array, in the order of torchvision's state dict.

        Returns:
            Name, role and shape of each array, by the names of `code`.
        """
        return tuple(piece.parameter for piece in self.pieces())

    def trainable_count(self) -> int:
        """Number of trainable scalars, with those of stages that a training freezes.

        Returns:
            The sum over all arrays but running statistics.
        """
        return sum(prod(p.shape) for p in self.parameters() if p.role.trainable)

    def pieces(self) -> Iterator[Piece]:
        """Every stored array with its part, the same order in all codes.

        Returns:
            Part and array, such as ("scores", `Parameter`).
        """
        code, width = CODES[self.code], self.out_channels
        yield from (Piece("body", p.under(code.path("body"))) for p in self.body_parameters())
        infos = self.feature_info()
        for place, info in enumerate(infos):
            yield from self._layer("lateral", _conv(info.channels, width), place, len(infos))
        for place in range(len(infos)):
            yield from self._layer("smooth", _conv(width, width, 3), place, len(infos))
        yield from self._layer("rpn", _conv(width, width, 3))
        yield from self._layer("objectness", _conv(width, ANCHORS))
        yield from self._layer("proposals", _conv(width, 4 * ANCHORS))
        yield from self._layer("first", LinearSpec(width * CELLS**2, HIDDEN))
        yield from self._layer("second", LinearSpec(HIDDEN, HIDDEN))
        yield from self._layer("scores", LinearSpec(HIDDEN, self._rows("scores")))
        yield from self._layer("boxes", LinearSpec(HIDDEN, self._rows("boxes")))
        if self.task == "mask_rcnn":
            yield from self._mask_pieces()

    def body_parameters(self) -> tuple[Parameter, ...]:
        """Those of the body, under its own names, without what the pyramid does not see.

        Returns:
            Name, role and shape of each array.
        """
        behind = {f"{self.body.head_path}."} | {f"{path}." for path in self._behind()}
        every = self.body.parameters()
        return tuple(p for p in every if not p.name.startswith(tuple(behind)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `DetectorSpec.from_dict` turns back into this spec.

        Returns:
            Field -> value of numbers, text, lists and dicts, which JSON can hold.
        """
        return {
            "detector": self.task,
            "body": replace(self.body, num_classes=0).to_dict(),
            "num_classes": self.num_classes,
            "maps": list(self.maps),
            "out_channels": self.out_channels,
            "mask_channels": self.mask_channels,
            "code": self.code,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DetectorSpec:
        """The spec that `to_dict` described.

        Returns:
            The spec, equal to the one that was described.

        Raises:
            ValueError: a field is missing or unknown, or its value is out of range.
        """
        options = dict(values)
        task, body, maps = (options.pop(name, None) for name in ("detector", "body", "maps"))
        unknown = sorted(set(options) - {"num_classes", "out_channels", "mask_channels", "code"})
        if unknown or not isinstance(body, dict) or not isinstance(maps, list):
            raise ValueError(
                "a detector has the fields detector, body, maps, num_classes, out_channels, "
                f"mask_channels and code; received {sorted(values)}"
            )
        return cls(task, from_dict(body), maps=tuple(maps), **options)

    def _mask_pieces(self) -> Iterator[Piece]:
        code, width = CODES[self.code], self.mask_channels
        for place in range(MASK_CONVS):
            channels = self.out_channels if place == 0 else width
            yield from self._layer("mask", _conv(channels, width, 3), place, MASK_CONVS)
        shape = (width, width, 2, 2)  # (in, out, *kernel)
        upsample = (
            Parameter("weight", Role.TRANSPOSED_KERNEL, shape),
            Parameter("bias", Role.BIAS, (width,)),
        )
        yield from (Piece("upsample", p) for p in under(code.path("upsample"), upsample))
        yield from self._layer("masks", _conv(width, self._rows("masks")))

    def _layer(
        self, part: str, spec: ConvSpec | LinearSpec, number: int = 0, of: int = 1
    ) -> Iterator[Piece]:
        path = CODES[self.code].path(part, number, of)
        return (Piece(part, parameter) for parameter in under(path, spec.parameters()))

    def _rows(self, part: str) -> int:
        return rows_of(part, self.code, self.num_classes)

    def _behind(self) -> Sequence[str]:
        """Paths of layers of the body that lie behind the last map of the pyramid."""
        infos = (*self.body.feature_info(), *self.body.further_maps())
        last = self.maps[-1]
        later = [info.name for info in infos[last + 1 :]]
        names = [block.name for block in self.body.blocks()]
        ends = [i for i, name in enumerate(names) if _leads_to(name, infos[last].name)]
        blocks = names[max(ends) + 1 :] if ends else names if last == 0 else []
        spare = self.body.spare_layers() if last < len(self.body.feature_info()) else ()
        return (*later, *blocks, *spare)


def detector_maps(body: BackboneSpec) -> tuple[int, ...]:
    """Places of the maps that the published detectors take of a body.

    They are those of strides 4 to 32; a map behind the last of these, where the body has one,
    takes its place.

    Returns:
        Numbers of maps in `feature_info` of the body, in order.

    Example:
        >>> from odconv_spec import model_spec
        >>> [detector_maps(model_spec(name)) for name in ("od_resnet50", "od_mobilenetv2_100")]
        [(1, 2, 3, 4), (1, 2, 3, 5)]
    """
    places = list(range(1, len(body.feature_info())))
    if body.further_maps():
        places[-1:] = [len(body.feature_info())]
    return tuple(places)


def _leads_to(block: str, name: str) -> bool:
    return block == name or block.startswith(f"{name}.")


def _conv(channels: int, out: int, taps: int = 1) -> ConvSpec:
    return ConvSpec(
        in_channels=channels, out_channels=out, kernel_size=taps, padding=taps // 2, bias=True
    )
