"""Checkpoints of random arrays, made without any framework."""

from __future__ import annotations

from pathlib import Path

from parity_tests.reference import random_arrays
from weights_converter import formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.names.layouts import LAYOUTS

SMALL_RESNET = {"stages": [[8, 1], [12, 2]], "stem_channels": 8, "num_classes": 5}
SMALL_MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]], "num_classes": 5}
ENDINGS = (".pth", ".pdparams", ".weights.h5", ".safetensors")
LAYOUT_OF = {
    ".pth": "torch",
    ".pdparams": "paddle",
    ".weights.h5": "keras",
    ".safetensors": "torch",
    ".npz": "torch",
}


def arrays_of(spec, seed=0, dtype="float32"):
    return random_arrays(spec.parameters(), seed, dtype)


def save(path: Path, spec, arrays, ending=".pth", metadata=None):
    """A bare file as a framework would write it, without companions or a spec."""
    layout = LAYOUTS[LAYOUT_OF[ending]]
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in spec.parameters()
        if p.name in arrays
    ]
    formats.write(path, formats.format_of(f"x{ending}"), tensors, metadata or {})
    return path
