"""Looks at the attentions of a network while it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from paddle import nn

from odconv_paddle.layers import KernelBank, Routing
from odconv_paddle.tools.calls import Call, watched


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
def watch_attentions(model: nn.Layer) -> Iterator[list[Seen]]:
    """A list that gets the attentions of each call of the network in the `with` block.

    Args:
        model: a network with dynamic convolutions, which is as it was afterwards.

    Yields:
        An item for each ODConv, DyConv and CondConv layer and call, in the order of the calls.
        What layers of other kinds compute is what their method `attentions` returns.

    Example:
        >>> model = create_model("od_resnet18", num_classes=10)
        >>> with watch_attentions(model) as seen:
        ...     logits = model(paddle.rand([2, 3, 64, 64]))
        >>> seen[0].path, tuple(seen[0].attentions["filter"].shape)
        ('layer1.0.conv1', (2, 64, 1, 1))
    """
    paths = dict(_mixers(model))
    seen: list[Seen] = []

    def note(call: Call) -> None:
        found = (
            call.output._asdict() if hasattr(call.output, "_asdict") else {"kernel": call.output}
        )
        kept = {name: value for name, value in found.items() if value is not None}
        seen.append(Seen(paths[call.layer], kept))

    with watched(paths, note):
        yield seen


def _mixers(model: nn.Layer) -> Iterator[tuple[nn.Layer, str]]:
    """The layers that weigh kernels, with the path of what they weigh them for."""
    own: set[nn.Layer] = set()
    for path, layer in model.named_sublayers(include_self=True):
        mixer = getattr(layer, layer.spec.mixer) if isinstance(layer, KernelBank) else None
        if mixer is not None:
            own.add(mixer)
            yield mixer, path
        elif isinstance(layer, Routing) and layer not in own:
            yield layer, path.rpartition(".")[0]
