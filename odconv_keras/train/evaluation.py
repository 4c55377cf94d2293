"""What a network answers, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt

from odconv_keras.models.backbone import Backbone
from odconv_keras.train.data import evaluation_batches
from odconv_keras.train.processes import Processes
from odconv_training import Options, Samples, Score, shards

Answer = tuple[npt.NDArray[np.floating], npt.NDArray[np.int64]]

_BATCH = 64


def logits(
    model: Backbone,
    samples: Samples,
    *,
    batch_size: int = _BATCH,
    workers: int = 0,
    image_size: int = 224,
    indices: npt.NDArray[np.int64] | None = None,
) -> Iterator[Answer]:
    """Logits (batch, classes) and labels (batch,) of samples, batch after batch.

    Args:
        model: a network.
        samples: a split.
        batch_size: of the network's calls.
        workers: threads that load images.
        image_size: height and width of a folder's images, in pixels.
        indices: which samples, all by default.
    """
    chosen = np.arange(len(samples)) if indices is None else indices
    batches = [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
    found = evaluation_batches(samples, batches, image_size, workers, model.data_format)
    for images, labels in found:
        images = images.astype(keras.config.floatx(), copy=False)
        answers = np.asarray(model.predict_on_batch(images))
        yield answers.astype(np.promote_types(answers.dtype, np.float32), copy=False), labels


def score(model: Backbone, samples: Samples, options: Options, processes: Processes) -> Score:
    """The score over all samples, of which each process looks at its part."""
    found = Score(model.num_classes)
    answers = logits(
        processes.local(model),
        samples,
        workers=options.workers,
        image_size=options.image_size,
        indices=shards(len(samples), processes.rank, processes.world),
    )
    with processes.alone():
        for batch, labels in answers:
            found.add(batch, labels)
    return Score.from_array(processes.total(found.as_array()))
