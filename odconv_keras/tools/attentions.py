"""Looks at the attentions of a model while it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
from keras.layers import Layer

from odconv_keras.layers import KernelBank, Routing
from odconv_keras.tools.calls import Call, watched
from odconv_keras.tools.sublayers import sublayers


class Seen(NamedTuple):
    """What one layer did to a batch.

    Attributes:
        path: of the dynamic convolution; of the block where its convolutions share a router.
        attentions: tensors by "kernel", "channel", "filter" and "spatial", those that the layer
            has; the first axis is the batch.
    """

    path: str
    attentions: dict[str, Any]


@contextmanager
def watch_attentions(model: keras.Model) -> Iterator[list[Seen]]:
    """A list that gets the attentions of each call of the model in the `with` block.

    Call the model itself: `predict` compiles it, unless `run_eagerly` is set.

    Args:
        model: a built model with dynamic convolutions, which is as it was afterwards.

    Yields:
        An item for each ODConv, DyConv and CondConv layer and call, in the order of the calls.
        What layers of other kinds compute is what their method `attentions` returns.

    Example:
        >>> model = create_model("od_resnet18", num_classes=10)
        >>> with watch_attentions(model) as seen:
        ...     logits = model(keras.ops.ones((2, 64, 64, 3)))
        >>> seen[0].path, tuple(seen[0].attentions["filter"].shape)
        ('layer1.0.conv1', (2, 1, 1, 64))
    """
    mixers = list(_mixers(model))
    paths = {id(mixer): path for mixer, path in mixers}
    seen: list[Seen] = []

    def note(call: Call) -> None:
        found = (
            call.output._asdict() if hasattr(call.output, "_asdict") else {"kernel": call.output}
        )
        kept = {name: value for name, value in found.items() if value is not None}
        seen.append(Seen(paths[id(call.layer)], kept))

    with watched([mixer for mixer, _ in mixers], note):
        yield seen


def _mixers(layer: Layer, path: str = "") -> Iterator[tuple[Layer, str]]:
    """The layers that weigh kernels, with the path of what they weigh them for."""
    if isinstance(layer, KernelBank):
        mixer = getattr(layer, layer.spec.mixer)
        if mixer is not None:
            yield mixer, path
    elif isinstance(layer, Routing):
        yield layer, path.rpartition(".")[0]
    else:
        for name, child in sublayers(layer):
            yield from _mixers(child, f"{path}.{name}" if path else name)
