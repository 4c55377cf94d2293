"""Where in a backbone a convolution stands, by which its kind decides whether to take the place."""

from __future__ import annotations

from typing import NamedTuple


class Site(NamedTuple):
    """A place of a backbone.

    Attributes:
        family: of the backbone, such as "resnet".
        part: "stem", "block" for what the blocks convolve, "shortcut" for the projection of what
            passes a block by, or "last" for a convolution behind the blocks.
        block: the kind of block, such as "bottleneck"; "" outside of blocks.
        number: of the block, counted from 0.
        behind: how many blocks follow.
        place: of the convolution among those of its block, counted from 0.
        routed: whether the block makes the router that a kind asks for, so that its convolutions
            may share one.
    """

    family: str
    part: str
    block: str = ""
    number: int = 0
    behind: int = 0
    place: int = 0
    routed: bool = False
