"""Tensors of other kinds than plain ones: legal in a file by torch, and no arrays of numbers.

They are answered with a note of what they are. A file is refused for one only where it belongs to
the state dict that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weights_converter.errors import legible
from weights_converter.formats.pickles.calls import Arguments, Call
from weights_converter.formats.pickles.values import BadCall, Global, Unreadable

_TENSOR = "torch.Tensor"
_DISTRIBUTED = "torch.distributed."
_DENSE = "save {name: tensor.to_dense() for name, tensor in model.state_dict().items()}"
_WHOLE = (
    "save whole tensors: torch.distributed.checkpoint.state_dict.get_model_state_dict(model, "
    "options=StateDictOptions(full_state_dict=True))"
)
QUANTISED = Unreadable(
    "quantised tensors (int8)",
    "convert the checkpoint from before quantisation; what int8 and a scale stand for is rounded",
)
SPARSE = Unreadable("sparse tensors", _DENSE)
NESTED = Unreadable("nested tensors", "save each of the tensors in it under a name of its own")
META = Unreadable(
    "tensors on the meta device, which have no values", "load the model before it is saved"
)
DISTRIBUTED = Unreadable("tensors that are spread over processes", _WHOLE)
OTHER_DEVICE = Unreadable(
    "tensors of a device that stores them in its own way",
    "save {name: tensor.cpu() for name, tensor in model.state_dict().items()}",
)


def _always(kind: Unreadable) -> Call:
    return lambda arguments: kind


def subclass_call(plain: Mapping[str, Call]) -> Call:
    """_rebuild_from_type_v2(function, class, arguments, state), of a tensor with attributes.

    Args:
        plain: the functions that rebuild a plain tensor.
    """

    def call(arguments: Arguments) -> object:
        if len(arguments) != 4 or not all(type(part) is Global for part in arguments[:2]):
            raise BadCall("with odd arguments")
        function, cls, inner, _ = arguments
        name = cls.name  # type: ignore[attr-defined]
        rebuild = plain.get(function.name)  # type: ignore[attr-defined]
        if name == _TENSOR and rebuild is not None and type(inner) is tuple:
            return rebuild(inner)  # its attributes are no part of its values
        return DISTRIBUTED if name.startswith(_DISTRIBUTED) else _of_class(name)

    return call


def _of_class(name: str) -> Unreadable:
    help = "save the tensors that it is made of, tensor.as_subclass(torch.Tensor)"
    return Unreadable(f"tensors of the class {legible(name)}", help)


def _wrapper(arguments: Arguments) -> object:
    """_rebuild_wrapper_subclass(class, ...): the outside of a tensor that is made of others."""
    if not arguments or type(arguments[0]) is not Global:
        raise BadCall("with odd arguments")
    name = arguments[0].name
    return DISTRIBUTED if name.startswith(_DISTRIBUTED) else _of_class(name)


KIND_CALLS: Final[Mapping[str, Call]] = {
    "torch._utils._rebuild_qtensor": _always(QUANTISED),
    "torch._utils._rebuild_sparse_tensor": _always(SPARSE),
    "torch._utils._rebuild_nested_tensor": _always(NESTED),
    "torch._utils._rebuild_meta_tensor_no_storage": _always(META),
    "torch._utils._rebuild_device_tensor_from_numpy": _always(OTHER_DEVICE),
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _always(OTHER_DEVICE),
    "torch._utils._rebuild_wrapper_subclass": _wrapper,
}
# Of quantised tensors; the tag of the integers that are stored.
QUANTISED_STORAGES: Final[Mapping[str, str]] = {
    "torch.QInt8Storage": "I8",
    "torch.QUInt8Storage": "U8",
    "torch.QInt32Storage": "I32",
    "torch.QUInt4x2Storage": "U8",
    "torch.QUInt2x4Storage": "U8",
}
KIND_NAMES = frozenset(
    {
        _TENSOR,
        *(f"torch.{name}" for name in ("qint8", "quint8", "qint32", "quint4x2", "quint2x4")),
        *(
            f"torch.per_{what}"
            for what in (
                "tensor_affine",
                "tensor_symmetric",
                "channel_affine",
                "channel_symmetric",
                "channel_affine_float_qparams",
            )
        ),
    }
)
