"""Where in a backbone a convolution stands, by which its kind decides whether to take the place."""

from __future__ import annotations

from typing import NamedTuple

from odconv_spec.shared import SharedSpec


class Site(NamedTuple):
    """A place of a backbone.

    Attributes:
        family: of the backbone, such as "resnet".
        part: "stem", "block" for what the blocks convolve, "shortcut" for the projection of what
            passes a block by, "last" for a convolution behind the blocks, or "head" for the
            classifier.
        block: the kind of block, such as "bottleneck"; "" outside of blocks.
        number: of the block, counted from 0.
        behind: how many blocks follow.
        place: of the convolution among those of its block, counted from 0.
        shared: what the block has for all of its convolutions, if its kind asks for something.
        stage: of the block, counted from 0.
        within: place of the block in its stage, counted from 0.
        expansion: hidden over input channels of an inverted block.
    """

    family: str
    part: str
    block: str = ""
    number: int = 0
    behind: int = 0
    place: int = 0
    shared: SharedSpec | None = None
    stage: int = 0
    within: int = 0
    expansion: int = 1
