"""Keras on any backend: `load_weights` from a .weights.h5 file."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from odconv_keras.models.factory import build_model
from odconv_spec import BackboneSpec


def load(path: Path, spec: BackboneSpec) -> keras.Model:
    model = build_model(spec)
    model.load_weights(path)
    return model


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    channels_last = images.transpose(0, 2, 3, 1)  # (batch, height, width, channels)
    return model.predict(channels_last, batch_size=90, verbose=0)
