"""From the content of a pickle by torch.save to a checkpoint, whatever file the pickle was in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles import state_dict
from weights_converter.formats.pickles.found_arrays import tensor_of
from weights_converter.formats.pickles.numpy_arrays import PickledArray
from weights_converter.formats.pytorch import modules as torch_modules
from weights_converter.formats.pytorch.views import View


def checkpoint(
    source: Source,
    format: str,
    content: object,
    load: Callable[[str, View], Array],
    key: str | None,
    metadata: Mapping[str, str],
) -> Checkpoint:
    """The state dict in what a pickle stands for.

    Args:
        load: Reads the elements of a view; its name is for messages.
    """
    content, notes = torch_modules.opened(source, content)
    found = state_dict.find(source, content, _kind(content), key)
    views = {name: view for name, view in found.values.items() if isinstance(view, View)}
    tensors = {
        name: Tensor(name, view.tag, view.shape, partial(load, name, view))
        for name, view in views.items()
    } | {
        name: tensor_of(source, name, array.contents)
        for name, array in found.values.items()
        if isinstance(array, PickledArray) and array.contents is not None
    }
    notes = (*notes, *found.notes, *_ties(source, views))
    scalars, left_out = found.scalars, found.left_out
    return Checkpoint(source.path, format, "torch", tensors, metadata, scalars, notes, left_out)


def _kind(content: object) -> Callable[[object], bool]:
    """What the arrays are: torch's, or NumPy's where no dict is of tensors and one is of arrays."""
    if not isinstance(content, dict):
        return _is_tensor
    groups = [content, *state_dict.distinct_dicts(content)]
    tensors, arrays = (
        [sum(map(kind, group.values())) for group in groups] for kind in (_is_tensor, _is_array)
    )
    return _is_tensor if sum(tensors[1:]) or tensors[0] >= max(arrays) else _is_array


def _is_tensor(value: object) -> bool:
    return type(value) is View or state_dict.unreadable(value) is not None


def _is_array(value: object) -> bool:
    return isinstance(value, PickledArray) and value.contents is not None


def _ties(source: Source, views: Mapping[str, View]) -> Iterator[str]:
    """A note for each array that is another one under a second name."""
    first: dict[View, str] = {}
    for name, view in views.items():
        if view.extent and first.setdefault(view, name) != name:
            note = f"{legible(name)} is the same array as {legible(first[view])}"
            source.budget.charge_objects(1, text=len(note))
            yield note
