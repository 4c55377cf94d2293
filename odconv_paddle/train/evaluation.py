"""What a network answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import paddle
from paddle import nn

from odconv_paddle.train.data import evaluation_batches
from odconv_training import Answer, Samples
from odconv_training.batches import IntArray


def logits(
    model: nn.Layer,
    samples: Samples,
    batches: Sequence[IntArray],
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Answer]:
    """Logits and labels of each batch of samples; see `odconv_training.Trainer.answers`."""
    model.eval()
    dtype = model.parameters()[0].dtype
    for images, labels in evaluation_batches(samples, batches, image_size, workers):
        with paddle.no_grad():
            answers = model(images.astype(dtype))
        yield answers.numpy(), labels.numpy()
