"""Writes a network of Keras for LiteRT, which was TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from odconv.exporting.job import Job
from odconv.exporting.keras_networks import signature
from odconv.runtimes.sidecar import write_beside
from odconv_keras.layers.recording import recording


def write(model: keras.Model, path: Path, job: Job) -> None:
    """Writes the file at `path`, and beside it the metadata.

    It has LiteRT's own operators only: what else there is in TensorFlow stops the export here, and
    not the file on a phone.
    """
    with recording(job.form):
        model.export(
            str(path),
            format="litert",
            input_signature=signature(model),
            verbose=False,
            **_options(job),
        )
    write_beside(path, job.metadata)


def _options(job: Job) -> dict[str, Any]:
    """Of TensorFlow's converter."""
    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if not job.half:
        return {"target_spec": target}
    target["supported_types"] = [tf.float16]
    return {"target_spec": target, "optimizations": [tf.lite.Optimize.DEFAULT]}
