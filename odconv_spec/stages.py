"""The stage of each convolution of a network, from the names that libraries give their layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from odconv_spec.conv import ConvSpec

Named = tuple[str, ConvSpec | None]

# A name that says its stage, and what is added to count from one.
_SAID: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), more)
    for pattern, more in (
        (r"(?:^|[._/])layer(\d+)(?=[._/]|$)", 0),  # ResNets of torchvision, timm, Paddle, and ours
        (r"(?:^|[._/])conv(\d+)_block", -1),  # ResNets of keras.applications, which begin with 2
        (r"stages?[._](\d+)", 1),  # ConvNeXt and RegNet of timm and keras.applications
        (r"(?:^|[._/])s(\d+)\.b\d", 0),  # RegNet of timm
        (r"trunk_output\.block(\d+)", 0),  # RegNet of torchvision
        (r"block(\d+)[a-z]_", 0),  # EfficientNet of keras.applications
        (r"denseblock(\d+)", 0),
    )
)
_BLOCK = re.compile(r".*?(?:features|blocks?|layers?|model)[._]?\d+|.*?\d+|.*", re.IGNORECASE)


def stages(convs: Sequence[Named]) -> list[int]:
    """The stage of each convolution, the stem being stage 0.

    Where names say a stage, as `layer3` does, it is that, and a convolution whose name does not
    has that of the one before it. Elsewhere a stage begins with each block that makes the map
    smaller: in a MobileNetV2 stage n leads to the map n of `feature_info`.

    Args:
        convs: path and geometry of each, in the order of the network.

    Returns:
        A number for each.

    Example:
        >>> conv = ConvSpec(in_channels=8, out_channels=8, kernel_size=3, stride=2)
        >>> stages([("conv1", conv), ("layer1.0.conv1", conv), ("layer2.0.conv1", conv)])
        [0, 1, 2]
        >>> stages([("features.0", conv), ("features.1", conv), ("features.2", conv)])
        [0, 1, 2]
    """
    said = [_said(path) for path, _ in convs]
    return list(_counted(convs) if said.count(None) == len(said) else _carried(said))


def _said(path: str) -> int | None:
    found = ((pattern.search(path), more) for pattern, more in _SAID)
    return next((int(match[1]) + more for match, more in found if match), None)


def _carried(said: Iterable[int | None]) -> Iterator[int]:
    stage = 0
    for number in said:
        stage = stage if number is None else number
        yield stage


def _counted(convs: Sequence[Named]) -> Iterator[int]:
    """By blocks, because the first convolutions of one may come before its stride."""
    blocks = [_block(path) for path, _ in convs]
    shrinking = {
        block
        for block, (_, spec) in zip(blocks, convs, strict=True)
        if block != blocks[0] and spec is not None and max(spec.strides) > 1
    }
    stage, last = 0, None
    for block in blocks:
        stage += block != last and block in shrinking
        last = block
        yield stage


def _block(path: str) -> str:
    match = _BLOCK.match(path)
    return match[0] if match else path
