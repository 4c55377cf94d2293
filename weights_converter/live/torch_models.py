"""The arrays of torch modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from odconv_spec import LinearSpec, Parameter, Role
from odconv_spec.parameters import CONV, LAYER_NORM, LINEAR, NORM, TRANSPOSED_CONV
from weights_converter.arrays.dtypes import Array
from weights_converter.live.slots import Slot, Variable, collect, inside, refuse_strangers
from weights_converter.names.companions import COUNTER
from weights_converter.names.counters import LEFT_BEHIND
from weights_converter.names.layouts import TORCH, holder_of


def slots(model: nn.Module) -> dict[str, Slot]:
    """Canonical name -> place of every array in the module."""
    model = _network(model)
    found = list(variables(model))
    known = {TORCH.file_name(v.owner, v.role) for v in found}
    counters = {COUNTER, *LEFT_BEHIND}
    names = (n for n in model.state_dict() if n.rpartition(".")[2] not in counters)
    refuse_strangers([name for name in names if name not in known])
    return collect(found, TORCH)


def variables(model: nn.Module) -> Iterator[Variable]:
    """Every array with a role."""
    for path, module in _network(model).named_modules():
        for leaf, role in _roles(module).items():
            tensor = inside(module, leaf)
            if tensor is not None:
                array = Parameter(f"{path}.{leaf}".lstrip("."), role, tuple(tensor.shape))
                yield _variable(holder_of(array), role, tensor)


def _network(model: nn.Module) -> nn.Module:
    """The network whose names count: of a body of ours the one inside it, as in a checkpoint."""
    kind = type(model)
    package = kind.__module__.partition(".")[0]
    inside = (package, kind.__name__) == ("odconv_torch", "Features")
    return model.get_submodule("backbone") if inside else model


def _roles(module: nn.Module) -> Mapping[str, Role]:
    """Attribute, or path of them, -> role of the arrays that the module itself holds."""
    spec: Any = getattr(module, "spec", None)
    if hasattr(spec, "own_parameters"):
        return {parameter.name: parameter.role for parameter in spec.own_parameters()}
    if type(spec) is LinearSpec:  # a router
        return {parameter.name: parameter.role for parameter in spec.parameters()}
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        roles: tuple[Role, ...] = CONV
    elif isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        roles = TRANSPOSED_CONV
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        roles = NORM
    elif isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
        roles = LAYER_NORM
    elif isinstance(module, nn.Linear):
        roles = LINEAR
    else:
        return {}
    return {TORCH.rows[role].leaf: role for role in roles}


def _variable(owner: str, role: Role, tensor: torch.Tensor) -> Variable:
    return Variable(
        owner,
        role,
        tuple(tensor.shape),
        str(tensor.dtype).removeprefix("torch."),
        tensor,
        get=partial(_get, tensor),
        set=partial(_set, tensor),
    )


def _get(tensor: torch.Tensor) -> Array:
    values = tensor.detach().cpu()
    if tensor.dtype is torch.bfloat16:  # NumPy has no such type; as in a file these are its bits
        return np.array(values.view(torch.int16).numpy().view(np.uint16))
    return np.array(values.numpy())


def _set(tensor: torch.Tensor, array: Array) -> None:
    bits = tensor.dtype is torch.bfloat16
    values = torch.from_numpy(array.view(np.int16) if bits else array)
    with torch.no_grad():
        tensor.copy_(values.view(torch.bfloat16) if bits else values)


def set_counters(model: nn.Module, counters: Mapping[str, Array]) -> None:
    """How many batches each batch norm has seen, by the path of its buffer."""
    for name, count in counters.items():
        _network(model).get_buffer(name).fill_(int(count))


def set_temperature(model: nn.Module, temperature: float) -> None:
    """Of every dynamic convolution."""
    from odconv_torch.layers import temperature as ours  # not every network has our layers

    ours.set_temperature(model, temperature)


def temperatures(model: nn.Module) -> set[float]:
    """Those of its dynamic convolutions."""
    from odconv_torch.layers import temperature as ours

    return ours.temperatures(model)
