"""Opens what a user names, in a process of its own if so wished."""

from __future__ import annotations

import os
from pathlib import Path

from weights_converter import formats
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.formats.isolated.reader import read_isolated
from weights_converter.identify.backbones import Stages
from weights_converter.identify.ignoring import Patterns, demand_used, without_ignored
from weights_converter.identify.model_arrays import Model, Weights, weights_in


def open_checkpoint(
    path: str | Path,
    key: str | None = None,
    isolate: bool | None = False,
    ignore: Patterns = (),
) -> Checkpoint:
    """The checkpoint at `path`. Raises ConverterError where it cannot be read.

    Args:
        path: a file of any format.
        key: which state dict to take from a file with several.
        isolate: parses the file in a child process with limits; None does it where the HDF5
            library is needed and the system can.
        ignore: patterns of arrays to leave out. Whether each fits one is for `demand_used` to ask,
            where all files are open.
    """
    if isolate is None:
        isolate = os.name == "posix" and formats.is_hdf5(path)
    checkpoint = read_isolated(path, key) if isolate else formats.read(path, key)
    return without_ignored(checkpoint, ignore)


def open_model(
    path: str | Path,
    model: Model = None,
    stages: Stages | None = None,
    key: str | None = None,
    isolate: bool | None = False,
    ignore: Patterns = (),
) -> Weights:
    """The arrays of the model that a file holds; see `open_checkpoint` and `weights_in`.

    Raises UsageError where a pattern of `ignore` fits no array.
    """
    checkpoint = open_checkpoint(path, key, isolate, ignore)
    demand_used(ignore, checkpoint)
    return weights_in(checkpoint, model, stages)
