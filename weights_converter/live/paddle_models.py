"""The arrays of Paddle layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle import nn

from odconv_spec import LinearSpec, Parameter, Role
from odconv_spec.parameters import CONV, LAYER_NORM, LINEAR, NORM
from weights_converter.arrays.dtypes import Array
from weights_converter.live.slots import Slot, Variable, collect, inside, refuse_strangers
from weights_converter.names.counters import LEFT_BEHIND
from weights_converter.names.layouts import PADDLE, holder_of


def slots(model: nn.Layer) -> dict[str, Slot]:
    """Canonical name -> place of every array in the layer."""
    found = list(variables(model))
    known = {PADDLE.file_name(v.owner, v.role) for v in found}
    names = (n for n in model.state_dict() if n.rpartition(".")[2] not in LEFT_BEHIND)
    refuse_strangers([name for name in names if name not in known])
    return collect(found, PADDLE)


def variables(model: nn.Layer) -> Iterator[Variable]:
    """Every array with a role."""
    for path, layer in model.named_sublayers(include_self=True):
        for leaf, role in _roles(layer).items():
            tensor = inside(layer, leaf)
            if tensor is not None:
                array = Parameter(f"{path}.{leaf}".lstrip("."), role, tuple(tensor.shape))
                yield _variable(holder_of(array), role, tensor)


def _roles(layer: nn.Layer) -> Mapping[str, Role]:
    """Attribute, or path of them, -> role of the arrays that the layer itself holds."""
    spec: Any = getattr(layer, "spec", None)
    if hasattr(spec, "own_parameters"):
        return {p.name: p.role for p in spec.own_parameters()}
    if type(spec) is LinearSpec:  # a router
        return {p.name: p.role for p in spec.parameters()}
    if isinstance(layer, (nn.Conv1D, nn.Conv2D, nn.Conv3D)):
        roles: tuple[Role, ...] = CONV
    elif isinstance(layer, (nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D)):
        roles = NORM
    elif isinstance(layer, (nn.LayerNorm, nn.GroupNorm)):
        roles = LAYER_NORM
    elif isinstance(layer, nn.Linear):
        roles = LINEAR
    else:
        return {}
    return {PADDLE.rows[role].leaf: role for role in roles}


def _variable(owner: str, role: Role, tensor: paddle.Tensor) -> Variable:
    return Variable(
        owner,
        role,
        tuple(tensor.shape),
        str(tensor.dtype).removeprefix("paddle."),
        tensor,
        get=partial(_get, tensor),
        set=tensor.set_value,
    )


def _get(tensor: paddle.Tensor) -> Array:
    return np.array(tensor.numpy())


def set_temperature(model: nn.Layer, temperature: float) -> None:
    """Of every dynamic convolution."""
    from odconv_paddle.layers import temperature as ours  # not every network has our layers

    ours.set_temperature(model, temperature)


def temperatures(model: nn.Layer) -> set[float]:
    """Those of its dynamic convolutions."""
    from odconv_paddle.layers import temperature as ours

    return ours.temperatures(model)
