"""`recording` on TensorFlow, whose functions are recorded for files and for speed alike."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

# Of functions that are a model: by `Model.export` for SavedModel, ONNX and OpenVINO, for LiteRT, by
# `ExportArchive` as its documents have it, and by `tf.saved_model.save`. Those that `fit` and
# `predict` record are steps, and have other names.
_MODELS: Final = frozenset({"__call__", "function", "call", "serving_default"})


def is_recorded_for_a_file() -> bool:
    """Whether a model is being recorded, rather than a step of a training or of a prediction."""
    if tf.executing_eagerly():
        return False
    graph: Any = tf.compat.v1.get_default_graph()
    while (outer := getattr(graph, "outer_graph", None)) is not None and hasattr(outer, "name"):
        graph = outer
    return getattr(graph, "name", None) in _MODELS
