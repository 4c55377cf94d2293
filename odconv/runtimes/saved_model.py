"""Folders of TensorFlow's SavedModel, in TensorFlow. They have channels last."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from odconv.runtimes.channels import outputs_to_first, shape_to_first, to_last
from odconv.runtimes.exported import Array, Images
from odconv.runtimes.sidecar import read_beside


class SavedModelFolder:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        self._loaded = tf.saved_model.load(str(path))  # it owns the arrays
        self._call = self._loaded.signatures["serving_default"]
        _, entries = self._call.structured_input_signature
        ((self._name, entry),) = entries.items()
        self.shape = shape_to_first(entry.shape.as_list())
        self.metadata = read_beside(path)

    def run(self, images: Images) -> tuple[Array, ...]:
        found = self._call(**{self._name: tf.constant(to_last(images))})
        return outputs_to_first({name: y.numpy() for name, y in found.items()})

    def close(self) -> None:
        del self._call, self._loaded


def open_file(path: Path) -> SavedModelFolder:
    return SavedModelFolder(path)
