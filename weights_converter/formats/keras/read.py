"""Reads the HDF5 files of Keras: `.weights.h5` here, the older `.h5` by `keras_legacy`.

A `.weights.h5` has one group per layer and its arrays under `vars/0`, `vars/1`, ...
No model is ever built from a file's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.arrays import tensors
from weights_converter.formats.hdf5.file import Hdf5
from weights_converter.formats.hdf5.text import text_attributes
from weights_converter.formats.keras.read_legacy import is_legacy, read_legacy

NAME = re.compile(r"(?:.*/)?vars/\d+")
_OPTIMIZER = "optimizer/"
_OLD_LAYERS = "_layer_checkpoint_dependencies/"  # what Keras 2.13 called layers/


def read_keras(source: Source, key: str | None) -> Checkpoint:
    """Every array of the layers; an array's name is its path in the file.

    Raises:
        RefusedError: the file links to something, or has objects that Keras does not write.
        DamagedError: HDF5 cannot read it.
    """
    source.refuse_key(key)
    return read_hdf5(Hdf5.whole(source), "keras-h5")


def read_hdf5(hdf5: Hdf5, format: str) -> Checkpoint:
    """The same for an HDF5 file wherever it is; `format` is what the whole is called."""
    with hdf5.open() as file:
        found = tensors(hdf5, file)
        if is_legacy(file):
            return read_legacy(hdf5, file, found)
        metadata = text_attributes(hdf5, file)
    kept, notes = layers_only(hdf5.source, found)
    return Checkpoint(hdf5.source.path, format, "keras", kept, metadata, {}, notes)


def layers_only(
    source: Source, found: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The arrays that belong to layers, and notes on the others.

    Raises:
        RefusedError: an array is not one of a layer's variables.
    """
    for name in found:
        if not NAME.fullmatch(name):
            raise source.refused(
                f"it has an array {legible(name)}, which is not one of a layer's variables"
            )
    notes: tuple[str, ...] = ()
    kept = {name: t for name, t in found.items() if not name.startswith(_OPTIMIZER)}
    if len(kept) < len(found):
        notes = (f"left out {len(found) - len(kept)} arrays of the optimizer",)
    if any(name.startswith(_OLD_LAYERS) for name in kept):
        renamed = {name.replace(_OLD_LAYERS, "layers/", 1): t for name, t in kept.items()}
        if len(renamed) < len(kept):
            raise source.refused("it has the layers of two versions of Keras")
        kept = {name: tensor.renamed(name) for name, tensor in renamed.items()}
        notes = (*notes, "the layers are called as Keras 2.13 did it")
    return kept, notes
