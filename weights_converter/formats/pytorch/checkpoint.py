"""From the content of a pickle by torch.save to a checkpoint, whatever file the pickle was in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles import state_dict
from weights_converter.formats.pickles.found_arrays import tensor_of
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.numpy_arrays import PickledArray
from weights_converter.formats.pickles.values import Unreadable
from weights_converter.formats.pytorch import modules as torch_modules
from weights_converter.formats.pytorch.views import View


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
    groups = _groups(content)
    # A tensor of another kind names its class: what it is says more than that the name is unknown.
    if not notes and not any(map(_is_unreadable, chain(*groups))):
        machine.refuse_unknown()  # functions are what modules have among their attributes
    found = state_dict.find(source, content, _kind(groups), key)
    _refuse_unreadable(source, found.values)
    if not notes:
        machine.refuse_unknown()
    views = {name: view for name, view in found.values.items() if isinstance(view, View)}
    tensors = {
        name: Tensor(name, view.tag, view.shape, partial(load, name, view))
        for name, view in views.items()
    } | {
        name: tensor_of(source, name, array.contents)
        for name, array in found.values.items()
        if isinstance(array, PickledArray) and array.contents is not None
    }
    notes = (*notes, *found.notes, *_ties(views))
    return Checkpoint(source.path, format, "torch", tensors, metadata, found.scalars, notes)


def _groups(content: object) -> list[list[object]]:
    """The values of a dict, and those of each dict in it."""
    if not isinstance(content, dict):
        return []
    inner = (value for value in content.values() if isinstance(value, dict))
    return [list(values.values()) for values in (content, *inner)]


def _kind(groups: list[list[object]]) -> Callable[[object], bool]:
    """What the arrays are: torch's, or NumPy's where no dict is of tensors and one is of arrays."""
    tensors, arrays = ([sum(map(kind, g)) for g in groups] for kind in (_is_tensor, _is_array))
    return _is_tensor if sum(tensors[1:]) or tensors[:1] >= [max(arrays, default=0)] else _is_array


def _is_tensor(value: object) -> bool:
    return type(value) is View or _is_unreadable(value)


def _is_array(value: object) -> bool:
    return isinstance(value, PickledArray) and value.contents is not None


def _is_unreadable(value: object) -> bool:
    """Whether it is a tensor of another kind, or a tuple with one, as quantised layers have."""
    return any(type(part) is Unreadable for part in (value if type(value) is tuple else (value,)))


def _refuse_unreadable(source: Source, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        for part in value if type(value) is tuple else (value,):
            if isinstance(part, Unreadable):
                raise source.unsupported(f"holds {part.kind}: {legible(name)}", part.help)


def _ties(views: Mapping[str, View]) -> Iterator[str]:
    """A note for each array that is another one under a second name."""
    first: dict[View, str] = {}
    for name, view in views.items():
        if view.extent and first.setdefault(view, name) != name:
            yield f"{legible(name)} is the same array as {legible(first[view])}"
