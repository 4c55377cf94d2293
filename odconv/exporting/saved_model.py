"""Writes a network of Keras as a folder of TensorFlow's SavedModel."""

from __future__ import annotations

from pathlib import Path

import keras

from odconv.exporting.job import Job
from odconv.exporting.keras_networks import signature
from odconv.runtimes.sidecar import write_beside
from odconv_keras.layers.recording import recording


def write(model: keras.Model, path: Path, job: Job) -> None:
    """Writes the folder at `path`, with the metadata in it."""
    with recording(job.form):
        model.export(
            str(path), format="tf_saved_model", input_signature=signature(model), verbose=False
        )
    write_beside(path, job.metadata)
