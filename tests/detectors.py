"""The detector of parity_tests/golden/detectors: its numbers, and the arrays that gave them.

A name and a shape always give the same array, so that none is stored. The file has `fpn_means` and
`fpn_corner`, the mean of |map| and the first eight channels at (0, 0) of the five levels;
`proposals` with `proposal_scores`; `boxes`, `scores` and `labels` (from 0, no background) of 100
detections; `mask_logits` of the first ten, each of its own label. The settings are the published
ones, with 1000 proposals before and behind the suppression.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "parity_tests" / "golden" / "detectors" / "mask_rcnn_od_resnet18_2.npz"
# So that there are boxes of every kind, and none is certain.
_GAINS = {"rpn_reg": 0.1, "fc_reg": 0.05, "rpn_cls": 0.3, "fc_cls": 0.03}


def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


def golden_arrays():
    """Name of mmdetection -> array."""
    shapes = json.loads(str(golden()["names"]))
    norms = {name.rpartition(".")[0] for name in shapes if name.endswith("running_var")}
    return {
        name: _array(name, tuple(shape), name.rpartition(".")[0] in norms)
        for name, shape in shapes.items()
    }


def golden_image():
    """(3, height, width), as the network sees it."""
    height, width = golden()["image"]
    draw = np.random.default_rng(5).standard_normal((1, 3, height, width))
    return draw.astype(np.float32)[0]


def _array(name, shape, is_norm):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return (0.5 + rng.random(shape)).astype(np.float32)
    if name.endswith("running_mean"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1:
        start = 1.0 if is_norm and name.endswith("weight") else 0.0
        return (start + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    return _kernel(name, shape, rng).astype(np.float32)


def _kernel(name, shape, rng):
    fan_in = int(np.prod(shape[1:] if len(shape) != 5 else shape[2:]))
    gain = np.sqrt(1.5 / fan_in)
    for part, factor in _GAINS.items():
        gain *= factor if part in name else 1.0
    drawn = rng.standard_normal(shape) * gain
    if "shared_fcs.0" in name:  # blind to what is constant in a box, so that boxes differ
        taps = drawn.reshape(shape[0], -1, 49)
        return 3 * (taps - taps.mean(2, keepdims=True)).reshape(shape)
    if "shared_fcs.1" in name or "fc_cls" in name:
        return 3 * (drawn - drawn.mean(1, keepdims=True))
    return drawn
