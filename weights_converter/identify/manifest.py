"""What a network of one's own stores: a manifest stands where a backbone has a spec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np

from odconv_spec import DynamicConvSpec, LinearSpec, Parameter, RecalibrationSpec, Role
from weights_converter.arrays.dtypes import CARRIERS, is_shape, tag_of
from weights_converter.errors import FileError, RefusedError, UsageError, legible
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.strict_json import parsed
from weights_converter.names.layouts import KERAS, Placed

VERSION_KEY = "odconv.manifest"
_VERSION = 1
_LONGEST_NAME = 1024
_LARGEST_FILE = 1 << 24
# NumPy has no such types; the frameworks call them by these names.
_TAGS: Final = {
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
}

_RANKS: Final[Mapping[Role, tuple[int, ...]]] = {
    **dict.fromkeys(Role, (1,)),
    Role.CONV_KERNEL: (3, 4, 5),
    Role.TRANSPOSED_KERNEL: (3, 4, 5),
    Role.EXPERT_KERNELS: (4, 5, 6),
    Role.EXPERT_BIASES: (2,),
    Role.CELLS: (4, 5, 6),
    Role.SPECTRUM: (4,),
    Role.INDICES: (1, 2, 3, 4),
    Role.LINEAR_KERNEL: (2,),
}


@dataclass(frozen=True)
class Manifest:
    """Every array of a model: its attribute path, its role, its canonical shape, its dtype.

    Attributes:
        name: of the model's class.
        arrays: in the order of the model.
        dtypes: name -> safetensors tag; a file must have exactly these. A name that is not in it
            may have any.

    Example:
        >>> manifest = Manifest.of_layer(DyConvSpec(in_channels=8, out_channels=6, kernel_size=3))
        >>> manifest.name, [parameter.name for parameter in manifest.parameters()][:2]
        ('DyConv2d', ['weight', 'attention.fc1.weight'])
    """

    name: str
    arrays: tuple[Parameter, ...]
    dtypes: Mapping[str, str]

    @classmethod
    def of_layer(cls, spec: DynamicConvSpec | LinearSpec | RecalibrationSpec) -> Manifest:
        """The manifest of a lone layer, of any dtype.

        Returns:
            The manifest, named as the layer.
        """
        return cls(spec.layer_name, spec.parameters(), {})

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array, as `BackboneSpec.parameters` gives them.

        Returns:
            Name, role and shape of each array.
        """
        return self.arrays

    def trainable_count(self) -> int:
        """Number of trainable scalars.

        Returns:
            The sum over all arrays but running statistics and indices.
        """
        return sum(prod(p.shape) for p in self.arrays if p.role.trainable)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which `manifest_from_dict` reads.

        Returns:
            What `save_manifest` writes.
        """
        return {
            VERSION_KEY: _VERSION,
            "name": self.name,
            "arrays": [self._entry(parameter) for parameter in self.arrays],
        }

    def _entry(self, parameter: Parameter) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": parameter.name,
            "role": parameter.role.value,
            "shape": list(parameter.shape),
        }
        if parameter.name in self.dtypes:
            entry["dtype"] = self.dtypes[parameter.name]
        if isinstance(parameter, Placed):
            entry["keras"] = parameter.path
        return entry


def tag_of_name(dtype: str) -> str:
    """The safetensors tag of what a framework calls a dtype, such as "float32"."""
    tag = _TAGS.get(dtype)
    if tag is None:
        try:
            tag = tag_of(np.dtype(dtype))
        except TypeError:
            tag = None
    if tag is None:
        raise UsageError(f"arrays of dtype {legible(dtype)} cannot be converted")
    return tag


def write_manifest(manifest: Manifest, path: str | Path, overwrite: bool = False) -> None:
    """Writes the manifest as JSON text. Raises FileError where that cannot be."""
    text = json.dumps(manifest.to_dict(), indent=1) + "\n"
    with replacing(Path(path), overwrite) as part:
        part.write_text(text, encoding="utf-8")


def read_manifest(path: str | Path) -> Manifest:
    """The manifest that `save_manifest` wrote.

    Returns:
        The manifest of a network.

    Raises:
        FileError: there is no readable file.
        UsageError: it holds no manifest.

    Example:
        >>> import torch
        >>> save_manifest(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5)), "net.json")
        >>> read_manifest("net.json").parameters()[0].shape
        (8, 3, 5, 5)
    """
    text = read_text(Path(path))
    try:
        return manifest_from_json(text)
    except ValueError as error:
        raise UsageError(f"{legible(Path(path).name)} holds no manifest: {error}") from error


def read_text(path: Path) -> str:
    """The text of a small file. Raises FileError or UsageError where there is none."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UsageError(f"{legible(path.name)} is too large to describe a model")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {legible(str(path))}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{legible(path.name)} is not a text file") from error


def manifest_from_json(text: str) -> Manifest:
    """Raises ValueError where the text is no manifest."""
    raw = text.encode("utf-8", "surrogatepass")
    return manifest_from_dict(parsed(raw, Budget(len(raw), RefusedError)))


def manifest_from_dict(values: Any) -> Manifest:
    """The manifest that `Manifest.to_dict` described. Raises ValueError for anything else."""
    if not isinstance(values, dict) or values.get(VERSION_KEY) != _VERSION:
        raise ValueError(f"expected a JSON object with {VERSION_KEY!r}: {_VERSION}")
    name, entries = values.get("name"), values.get("arrays")
    if not _is_name(name) or not isinstance(entries, list):
        raise ValueError("expected the text 'name' and the list 'arrays'")
    arrays = tuple(_parameter(entry) for entry in entries)
    for names in ([p.name for p in arrays], [KERAS.stored_name(p) for p in arrays]):
        if len(set(names)) < len(names):
            raise ValueError("two arrays have the same name")
    dtypes = {p.name: _dtype(e) for p, e in zip(arrays, entries, strict=True) if "dtype" in e}
    return Manifest(name, arrays, dtypes)


def _parameter(entry: Any) -> Parameter:
    if not isinstance(entry, dict):
        raise ValueError(f"an array is described by an object, received {type(entry).__name__}")
    name, shape, path = entry.get("name"), entry.get("shape"), entry.get("keras")
    if not _is_name(name) or not (path is None or _is_name(path)):
        raise ValueError(f"expected the name of an array, received {legible(str(name))}")
    if not isinstance(shape, list) or not is_shape(shape):
        raise ValueError(f"{name}: expected the sizes of its axes, received {legible(str(shape))}")
    role = _role(name, entry.get("role"), len(shape))
    if path is not None:
        return Placed(name, role, tuple(shape), path)
    return Parameter(name, role, tuple(shape))


def _role(name: str, value: object, rank: int) -> Role:
    if value not in [role.value for role in Role]:
        raise ValueError(f"{name}: expected a role, received {legible(str(value))}")
    role = Role(value)
    if rank not in _RANKS[role]:
        raise ValueError(f"{name}: a {role.value} has {_RANKS[role]} axes, received {rank}")
    return role


def _dtype(entry: Mapping[str, Any]) -> str:
    if entry["dtype"] not in list(CARRIERS):
        raise ValueError(f"expected a dtype, received {legible(str(entry['dtype']))}")
    return str(entry["dtype"])


def _is_name(value: object) -> TypeGuard[str]:
    """Whether it can name an array in every format."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_NAME:
        return False
    return not ({".", "..", ""} & set(value.split("/")) or "\\" in value)
