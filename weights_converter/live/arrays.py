"""The arrays of a live model of any framework, by canonical name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from odconv_spec import Parameter
from weights_converter.arrays.dtypes import CARRIERS, Array
from weights_converter.errors import MismatchError, UsageError
from weights_converter.identify.manifest import Manifest, tag_of_name, write_manifest
from weights_converter.live.slots import Slot
from weights_converter.names.layouts import KERAS, Placed
from weights_converter.names.mismatch import Form, check

# Keras comes first: its models are torch modules on the torch backend.
_FRAMEWORKS = ("keras", "torch", "paddle")


def extract(model: Any) -> dict[str, Array]:
    """The arrays of a torch module, Paddle layer, or Keras layer or model, by canonical name.

    Those of bfloat16, which NumPy does not have, are its bits in uint16.

    Works for our backbones, for a lone layer, and for networks that contain our layers beside
    convolutions, batch norms and linear layers of the framework.

    Returns:
        Canonical name -> array in canonical axes.

    Raises:
        MismatchError: the model holds an array of a layer that has no canonical form.
        UsageError: the model is of no framework that is known here, or is not built yet.

    Example:
        >>> import torch
        >>> arrays = extract(torch.nn.Conv2d(3, 8, 5))
        >>> arrays["weight"].shape
        (8, 3, 5, 5)
    """
    return {name: slot.read() for name, slot in slots(model).items()}


def assign(model: Any, arrays: Mapping[str, Array]) -> None:
    """Puts arrays under canonical names into a model, all or none, and reads them back.

    Raises:
        MismatchError: names, shapes or dtypes are not exactly those of the model, which is then
            unchanged; or the model returns other values than it was given.

    Example:
        >>> import torch
        >>> conv, other = torch.nn.Conv2d(3, 8, 5), torch.nn.Conv2d(3, 8, 5)
        >>> assign(other, extract(conv))
        >>> torch.equal(conv.weight, other.weight)
        True
    """
    places = slots(model)
    check(
        {name: Form(slot.parameter.shape, _carrier(slot.dtype)) for name, slot in places.items()},
        {name: Form(array.shape, array.dtype.name) for name, array in arrays.items()},
        what=f"the arrays for {type(model).__name__}",
    )
    for name, slot in places.items():
        slot.write(arrays[name])
    wrong = [name for name, slot in places.items() if not _same(slot.read(), arrays[name])]
    if wrong:
        raise MismatchError(
            f"{len(wrong)} arrays of {type(model).__name__} are not what was assigned: {wrong[:6]}",
            help="is the model shared with another thread, or are arrays tied?",
        )


def manifest(model: Any, *, own_paths: bool = True) -> Manifest:
    """What a network of one's own stores, for `convert` and `verify` in place of a model's name.

    That of a Keras model also says under which names its own weights files keep the arrays.

    Args:
        model: a torch module, Paddle layer, or Keras layer or model, built.
        own_paths: whether it says so, which takes a file to be written.

    Raises:
        MismatchError: the model holds an array of a layer that has no canonical form.
        UsageError: the model is of no framework that is known here, or is not built yet.
    """
    places = slots(model)
    asked = own_paths and framework_of(model) == "keras"
    paths = adapter_of(model).file_paths(model) if asked else {}
    arrays = tuple(_placed(slot.parameter, paths.get(name)) for name, slot in places.items())
    dtypes = {name: tag_of_name(slot.dtype) for name, slot in places.items()}
    return Manifest(type(model).__name__, arrays, dtypes)


def save_manifest(model: Any, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes `manifest(model)` to a JSON file, for `odconv convert --model net.json`.

    Raises:
        ConverterError: see `manifest`, or the file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from weights_converter import read_manifest
        >>> path = f"{tempfile.mkdtemp()}/net.json"
        >>> save_manifest(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5)), path)
        >>> [parameter.name for parameter in read_manifest(path).parameters()]
        ['0.weight', '0.bias']
    """
    write_manifest(manifest(model), path, overwrite)


def slots(model: Any) -> dict[str, Slot]:
    """Canonical name -> place of every array in the model."""
    found: dict[str, Slot] = adapter_of(model).slots(model)
    return found


def adapter_of(model: Any) -> ModuleType:
    """The module that knows the models of the framework."""
    framework = framework_of(model)
    if framework == "torch":
        from weights_converter.live import torch_models

        return torch_models
    if framework == "paddle":
        from weights_converter.live import paddle_models

        return paddle_models
    from weights_converter.live import keras_models

    return keras_models


def framework_of(model: Any) -> str:
    """ "torch", "paddle" or "keras". Raises UsageError where a model is of none."""
    roots = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    for framework in _FRAMEWORKS:
        if framework in roots:
            return framework
    raise UsageError(
        f"expected a torch module, a Paddle layer or a Keras layer, received {type(model)}"
    )


def _placed(parameter: Parameter, path: str | None) -> Parameter:
    if path is None or path == KERAS.stored_name(parameter):
        return parameter
    return Placed(parameter.name, parameter.role, parameter.shape, path)


def _carrier(dtype: str) -> str:
    """What NumPy calls arrays of a dtype, or of its bits where it has none."""
    return CARRIERS[tag_of_name(dtype)].name


def _same(first: Array, second: Array) -> bool:
    return first.dtype == second.dtype and np.array_equal(
        first.reshape(-1).view(np.uint8), second.reshape(-1).view(np.uint8)
    )
