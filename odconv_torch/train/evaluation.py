"""What a network answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from odconv_torch.train.data import evaluation_batches
from odconv_training import Answer, Samples
from odconv_training.batches import IntArray


def logits(
    model: nn.Module,
    samples: Samples,
    batches: Sequence[IntArray],
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Answer]:
    """Logits and labels of each batch of samples; see `odconv_training.Trainer.answers`."""
    model.eval()
    weights = next(model.parameters())
    with torch.inference_mode():
        for images, labels in evaluation_batches(samples, batches, image_size, workers):
            answers = model(images.to(weights.device, weights.dtype))
            yield answers.cpu().numpy(), labels.numpy()
