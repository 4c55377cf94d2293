"""How torch's tensors look in a pickle: references to storages, and views of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from weights_converter.arrays.dtypes import is_shape, itemsize
from weights_converter.formats.pickles.calls import (
    PYTHON_CALLS,
    PYTHON_CLASSES,
    PYTHON_NAMES,
    Arguments,
    Call,
    Vocabulary,
)
from weights_converter.formats.pickles.numpy_arrays import NUMPY_CALLS, NUMPY_NAMES
from weights_converter.formats.pickles.values import BadCall, Global, Unreadable, Unsupported
from weights_converter.formats.pytorch.kinds import (
    KIND_CALLS,
    KIND_NAMES,
    QUANTISED_STORAGES,
    subclass_call,
)
from weights_converter.formats.pytorch.views import Storage, View

STORAGES: Final[Mapping[str, str]] = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
}
# Younger element types have no storage class of their own: their bytes are untyped.
UNTYPED = "UntypedStorage"
DTYPES: Final[Mapping[str, str]] = {
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
}
_STORAGE_NAMES: Final[Mapping[str, str]] = (
    {f"torch.{name}": tag for name, tag in STORAGES.items()}
    | {f"torch.cuda.{name}": tag for name, tag in STORAGES.items()}  # before torch 0.4
    | {f"torch.{UNTYPED}": "U8", f"torch.storage.{UNTYPED}": "U8"}
    | dict(QUANTISED_STORAGES)
)
_DTYPE_NAMES: Final = {f"torch.{name}": tag for name, tag in DTYPES.items()}
_COMMON_DTYPES = frozenset(  # named beside the weights, by options and optimizers
    (
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
    )
)


def storage_of(reference: object) -> Storage:
    """("storage", class, key, device, number of elements)

    The legacy stream has a sixth item, None or (key of the view, offset, number of elements).

    Raises:
        BadCall: the reference is not of this kind.
    """
    if type(reference) is not tuple or len(reference) not in (5, 6) or reference[0] != "storage":
        raise BadCall("in an odd way")
    _, cls, key, _, numel = reference[:5]
    if type(cls) is not Global or cls.name not in _STORAGE_NAMES:
        raise BadCall("of an unknown class")
    if not (isinstance(key, str) and key.isalnum()) or type(numel) is not int or numel < 0:
        raise BadCall("with an odd key or length")
    tag = _STORAGE_NAMES[cls.name]
    return Storage(key, tag, numel * itemsize(tag), quantised=cls.name in QUANTISED_STORAGES)


def storage_view(storage: Storage, offset: object, numel: object) -> Storage:
    """A part of a storage that old files treat as a storage of its own.

    Raises:
        BadCall: it does not lie within the storage.
    """
    if type(offset) is not int or type(numel) is not int or offset < 0 or numel < 0:
        raise BadCall("with an odd view of it")
    size = itemsize(storage.tag)
    if (offset + numel) * size > storage.nbytes:
        raise BadCall(f"with a view to element {offset + numel} of {storage.nbytes // size}")
    return replace(storage, start=storage.start + offset * size, nbytes=numel * size)


def view_of(storage: object, tag: str | None, geometry: Arguments) -> View:
    """Raises BadCall if the geometry (offset, shape, strides) does not fit the storage."""
    offset, shape, strides = geometry
    if type(storage) is not Storage or tag is None:
        raise BadCall("without a storage")
    if storage.quantised:
        raise BadCall("over a quantised storage")
    if type(shape) is not tuple or type(strides) is not tuple or not is_shape(shape):
        raise BadCall("with an odd shape")
    if len(strides) != len(shape) or not all(type(s) is int and s >= 0 for s in strides):
        raise BadCall("with odd strides")
    if type(offset) is not int or offset < 0:
        raise BadCall("with an odd offset")
    used = [stride if size > 1 else 0 for size, stride in zip(shape, strides, strict=True)]
    view = View(storage, tag, offset, shape, tuple(used))
    if view.extent and (offset + view.extent) * itemsize(tag) > storage.nbytes:
        raise BadCall(
            f"for a tensor of shape {shape} that reaches element {offset + view.extent - 1} "
            f"of a storage of {storage.nbytes // itemsize(tag)}"
        )
    return view


def _rebuild(arguments: Arguments) -> object:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata={})"""
    if not 4 <= len(arguments) <= 7:
        raise BadCall("with an odd number of arguments")
    _refuse_lazy_bits(arguments[6:])
    storage = arguments[0]
    return view_of(storage, getattr(storage, "tag", None), arguments[1:4])


def _rebuild_untyped(arguments: Arguments) -> object:
    """_rebuild_tensor_v3: the same with a dtype before the metadata"""
    if not 7 <= len(arguments) <= 8 or type(arguments[6]) is not Global:
        raise BadCall("with odd arguments")
    _refuse_lazy_bits(arguments[7:])
    return view_of(arguments[0], _DTYPE_NAMES.get(arguments[6].name), arguments[1:4])


def _refuse_lazy_bits(metadata: Arguments) -> None:
    """torch marks a conjugated or negated view instead of computing it."""
    if metadata and metadata[0]:
        raise Unsupported(
            "holds a conjugated or negated view, which torch computes when it is used",
            "save tensor.resolve_conj().resolve_neg() in its place",
        )


def _rebuild_parameter(arguments: Arguments) -> object:
    """_rebuild_parameter(tensor, requires_grad, hooks)"""
    if not arguments or type(arguments[0]) not in (View, Unreadable):
        raise BadCall("without a tensor")
    return arguments[0]


_PLAIN_CALLS: Final[Mapping[str, Call]] = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_tensor_v3": _rebuild_untyped,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
}
_TORCH_CALLS: Final[Mapping[str, Call]] = {
    **_PLAIN_CALLS,
    **KIND_CALLS,
    "torch._tensor._rebuild_from_type_v2": subclass_call(_PLAIN_CALLS),
}

# Of modules that were saved whole.
_TORCH_CLASSES = frozenset(
    {"torch.serialization._get_layout", "torch.nn.backends.thnn._get_thnn_function_backend"}
)
TENSOR_NAMES = frozenset(
    f"{module}.{name.removesuffix('Storage')}Tensor"
    for module in ("torch", "torch.cuda")
    for name in STORAGES
)

TORCH = Vocabulary(
    calls={**PYTHON_CALLS, **NUMPY_CALLS, **_TORCH_CALLS},
    names=frozenset(
        {*PYTHON_NAMES, *NUMPY_NAMES, *_STORAGE_NAMES, *_DTYPE_NAMES}
        | {f"torch.{name}" for name in _COMMON_DTYPES}
        | TENSOR_NAMES
        | KIND_NAMES
    ),
    classes=PYTHON_CLASSES | _TORCH_CLASSES,
    objects=True,
)
