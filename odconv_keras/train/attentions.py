"""What the attentions of a network see in images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from odconv_keras.models.backbone import Backbone
from odconv_keras.tools.attentions import watch_attentions
from odconv_keras.train.evaluation import logits
from odconv_training import Samples
from odconv_training.attending.measures import Attended
from odconv_training.batches import IntArray


def attentions(
    model: Backbone,
    samples: Samples,
    batches: Sequence[IntArray],
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Attended]:
    """The attentions of each layer, and the logits, of each batch of samples.

    Layers are in the order of the model; the arguments are those of `logits`.
    """
    model.run_eagerly = True  # a compiled call would show no values
    with watch_attentions(model) as seen:
        for answers, _ in logits(model, samples, batches, image_size, workers):
            yield (
                {
                    path: {name: _numpy(value) for name, value in found.items()}
                    for path, found in seen
                },
                answers,
            )
            seen.clear()


def _numpy(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor).astype(np.float32)
