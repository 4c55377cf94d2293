"""What a network answers, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from odconv_paddle.models.backbone import Backbone
from odconv_paddle.train.data import evaluation_batches
from odconv_paddle.train.processes import Processes
from odconv_training import Options, Samples, Score, shards

Answer = tuple[npt.NDArray[np.floating], npt.NDArray[np.int64]]

_BATCH = 64


def logits(
    model: nn.Layer,
    samples: Samples,
    *,
    batch_size: int = _BATCH,
    workers: int = 0,
    image_size: int = 224,
    indices: npt.NDArray[np.int64] | None = None,
) -> Iterator[Answer]:
    """Logits (batch, classes) and labels (batch,) of samples, batch after batch.

    Args:
        model: is put into evaluation mode.
        samples: a split.
        batch_size: of the network's calls.
        workers: processes that load images.
        image_size: height and width of a folder's images, in pixels.
        indices: which samples, all by default.
    """
    model.eval()
    dtype = model.parameters()[0].dtype
    chosen = np.arange(len(samples)) if indices is None else indices
    batches = [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
    for images, labels in evaluation_batches(samples, batches, image_size, workers):
        with paddle.no_grad():
            answers = model(images.astype(dtype))
        yield answers.numpy(), labels.numpy()


def score(model: Backbone, samples: Samples, options: Options, processes: Processes) -> Score:
    """The score over all samples, of which each process looks at its part."""
    found = Score(model.num_classes)
    answers = logits(
        model,
        samples,
        workers=options.workers,
        image_size=options.image_size,
        indices=shards(len(samples), processes.rank, processes.world),
    )
    for batch, labels in answers:
        found.add(batch, labels)
    return Score.from_array(processes.total(found.as_array()))
