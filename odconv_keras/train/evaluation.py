"""What a network answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from odconv_keras.models.backbone import Backbone
from odconv_keras.train.data import evaluation_batches
from odconv_training import Answer, Samples
from odconv_training.batches import IntArray


def logits(
    model: Backbone,
    samples: Samples,
    batches: Sequence[IntArray],
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Answer]:
    """Logits and labels of each batch of samples; see `odconv_training.Trainer.answers`."""
    loaded = evaluation_batches(samples, batches, image_size, workers, model.data_format)
    for images, labels in loaded:
        images = images.astype(keras.config.floatx(), copy=False)
        answers = np.asarray(model.predict_on_batch(images))
        yield answers.astype(np.promote_types(answers.dtype, np.float32), copy=False), labels
