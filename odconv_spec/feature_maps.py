"""The maps of a backbone, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

OutIndices: TypeAlias = "int | Sequence[int] | None"


@dataclass(frozen=True)
class FeatureInfo:
    """A map that a backbone offers to a detector: its channels, and its stride over the image.

    Example:
        >>> last = model_spec("od_resnet18").feature_info()[-1]
        >>> last
        FeatureInfo(name='layer4', channels=512, stride=32)
    """

    name: str
    channels: int
    stride: int


def feature_indices(
    infos: Sequence[FeatureInfo],
    out_indices: OutIndices = None,
    first: int = 0,
    further: Sequence[FeatureInfo] = (),
) -> tuple[int, ...]:
    """Places in `infos`, from `out_indices` as timm reads them.

    Args:
        infos: the maps that a backbone offers.
        out_indices: a number n for the last n maps, or places, of which negative ones count from
            the end. None is all maps from place `first` on.
        first: see `out_indices`.
        further: maps behind `infos`, which only their own places ask for: neither a number of last
            maps, nor a place from the end, nor None means one of them.

    Returns:
        The places from 0, in the order of the network and each once, in whatever order and however
        often `out_indices` has them.

    Raises:
        ValueError: no map is asked for, or one that does not exist.

    Example:
        >>> maps = [FeatureInfo("stem", 8, 2), FeatureInfo("a", 16, 4), FeatureInfo("b", 32, 8)]
        >>> feature_indices(maps, 2), feature_indices(maps, (-1, 0)), feature_indices(maps)
        ((1, 2), (0, 2), (0, 1, 2))
        >>> feature_indices(maps[:2], (1, 2), further=maps[2:])
        (1, 2)
    """
    count, end = len(infos), len(infos) + len(further)
    places = _places(count, out_indices, first)
    if not places or not all(_is_whole(place) and -count <= place < end for place in places):
        names = ", ".join(f"{i} ({info.name})" for i, info in enumerate((*infos, *further)))
        raise ValueError(
            f"out_indices: expected a number of last maps from 1 to {count}, or some of {names}, "
            f"or from -{count} to -1; received {out_indices!r}"
        )
    return tuple(sorted({int(place) + count * (place < 0) for place in places}))


def check_features(features_only: bool, out_indices: OutIndices) -> None:
    """Raises ValueError where maps are chosen of what is not to be a body."""
    if out_indices is not None and not features_only:
        raise ValueError(
            f"out_indices: expected features_only=True beside it, received {out_indices!r} alone"
        )


def stage_to_freeze(infos: Sequence[FeatureInfo], stage: int | None) -> int:
    """The place in `infos` up to which a network is to be frozen.

    Args:
        infos: the maps that a backbone offers.
        stage: a place from 0, the stem, on; None is nothing.

    Returns:
        The place, -1 for nothing.

    Raises:
        ValueError: there is no such map.

    Example:
        >>> maps = [FeatureInfo("stem", 8, 2), FeatureInfo("layer1", 16, 4)]
        >>> stage_to_freeze(maps, 1), stage_to_freeze(maps, None)
        (1, -1)
    """
    if stage is None:
        return -1
    if not _is_whole(stage) or not 0 <= stage < len(infos):
        names = ", ".join(f"{index} ({info.name})" for index, info in enumerate(infos))
        raise ValueError(
            f"freeze_stages: expected the last stage to freeze, one of {names}, or None to train "
            f"all; received {stage!r}"
        )
    return int(stage)


def _places(count: int, out_indices: Any, first: int) -> tuple[Any, ...]:
    if out_indices is None:
        return tuple(range(first, count))
    if _is_whole(out_indices):
        return tuple(range(-out_indices, 0))
    return tuple(out_indices) if isinstance(out_indices, Iterable) else ()


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
