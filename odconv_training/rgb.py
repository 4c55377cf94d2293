"""A decoded image in RGB of 8 bits, whatever it has."""

from __future__ import annotations

import numpy as np
from PIL import Image

_UP_TO_65535 = ("PNG", "PPM")  # formats of whose files "I", 32 bits, is what has more than 8


def rgb(image: Image.Image) -> Image.Image:
    """The image in RGB.

    Of grey levels of 16 bits the upper 8 stay, which is what PIL keeps of colours of 16 bits; where
    it converts grey itself, it takes every level above 255 for white.

    Raises:
        ValueError: the levels have no known range.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _UP_TO_65535):
        levels = np.asarray(image).astype(np.uint32)  # (height, width)
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "whole numbers of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise ValueError(f"its levels are {kind}, of no known range; save it with 8 or 16 bits")
    return image.convert("RGB")
