"""Small folders of images in ImageNet's layout."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

CLASSES = ("ant", "bee", "cat")
BROKEN = b"\x89PNG\r\n\x1a\n and no more"


def write_folder(root, counts=None, seed=0):
    """`counts` is split -> images of each class; the pictures are noise, 40x36."""
    rng = np.random.default_rng(seed)
    for split, count in (counts or {"train": 3, "val": 2}).items():
        for name in CLASSES:
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (36, 40, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


@pytest.fixture
def folder(tmp_path):
    """Three classes of three images to train with, two to validate."""
    return write_folder(tmp_path / "images")
