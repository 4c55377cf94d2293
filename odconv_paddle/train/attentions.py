"""What the attentions of a network see in images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paddle import nn

from odconv_paddle.tools.attentions import watch_attentions
from odconv_paddle.train.evaluation import logits
from odconv_training import Samples
from odconv_training.attending.measures import Attended
from odconv_training.batches import IntArray


def attentions(
    model: nn.Layer,
    samples: Samples,
    batches: Sequence[IntArray],
    image_size: int = 224,
    workers: int = 0,
) -> Iterator[Attended]:
    """The attentions of each layer, and the logits, of each batch of samples.

    Layers are in the order of the network; the arguments are those of `logits`.
    """
    with watch_attentions(model) as seen:
        for answers, _ in logits(model, samples, batches, image_size, workers):
            yield (
                {
                    path: {name: value.astype("float32").numpy() for name, value in found.items()}
                    for path, found in seen
                },
                answers,
            )
            seen.clear()
