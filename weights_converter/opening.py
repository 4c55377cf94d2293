"""Opens what a user names, in a process of its own if so wished."""

from __future__ import annotations

import os
from pathlib import Path

from weights_converter import formats
from weights_converter.formats.isolated import read_isolated
from weights_converter.inference import Stages
from weights_converter.tensor import Checkpoint
from weights_converter.weights import Model, Weights, weights_in


def open_checkpoint(
    path: str | Path, key: str | None = None, isolate: bool | None = False
) -> Checkpoint:
    """The checkpoint at `path`. Raises ConverterError where it cannot be read.

    Args:
        path: a file of any format.
        key: which state dict to take from a file with several.
        isolate: parses the file in a child process with limits; None does it where the HDF5
            library is needed and the system can.
    """
    if isolate is None:
        isolate = os.name == "posix" and formats.is_hdf5(path)
    return read_isolated(path, key) if isolate else formats.read(path, key)


def open_model(
    path: str | Path,
    model: Model = None,
    stages: Stages | None = None,
    key: str | None = None,
    isolate: bool | None = False,
) -> Weights:
    """The arrays of the model that a file holds; see `open_checkpoint` and `weights_in`."""
    return weights_in(open_checkpoint(path, key, isolate), model, stages)
