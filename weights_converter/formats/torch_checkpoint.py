"""From the content of a pickle by torch.save to a checkpoint, whatever file the pickle was in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from weights_converter.dtypes import Array
from weights_converter.errors import legible
from weights_converter.formats import state_dict, torch_modules
from weights_converter.formats.pickle_machine import Machine
from weights_converter.formats.source import Source
from weights_converter.formats.torch_views import View
from weights_converter.tensor import Checkpoint, Tensor


def checkpoint(
    source: Source,
    format: str,
    pickle: tuple[object, Machine],
    load: Callable[[str, View], Array],
    key: str | None,
    metadata: Mapping[str, str],
) -> Checkpoint:
    """The state dict in a pickle that `pickle[1]` has read as `pickle[0]`.

    Args:
        load: Reads the elements of a view; its name is for messages.
    """
    raw, machine = pickle
    content, notes = torch_modules.opened(source, raw)
    if not notes:
        machine.refuse_unknown()  # functions are what modules have among their attributes
    found = state_dict.find(source, content, lambda value: type(value) is View, key)
    views = {name: view for name, view in found.values.items() if isinstance(view, View)}
    tensors = {
        name: Tensor(name, view.tag, view.shape, partial(load, name, view))
        for name, view in views.items()
    }
    notes = (*notes, *found.notes, *_ties(views))
    return Checkpoint(source.path, format, "torch", tensors, metadata, found.scalars, notes)


def _ties(views: Mapping[str, View]) -> Iterator[str]:
    """A note for each array that is another one under a second name."""
    first: dict[View, str] = {}
    for name, view in views.items():
        if view.extent and first.setdefault(view, name) != name:
            yield f"{legible(name)} is the same array as {legible(first[view])}"
