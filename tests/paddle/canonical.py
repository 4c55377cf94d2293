"""The layers by kind, canonical names in a Paddle state dict, and random values for every array."""

from __future__ import annotations

import paddle

from odconv_paddle import layers
from odconv_spec import Role

LAYERS = {  # kind -> the layers over one, two and three axes
    "od": (layers.ODConv1D, layers.ODConv2D, layers.ODConv3D),
    "dy": (layers.DyConv1D, layers.DyConv2D, layers.DyConv3D),
    "cond": (layers.CondConv1D, layers.CondConv2D, layers.CondConv3D),
}
LEAVES = {Role.NORM_MEAN: "_mean", Role.NORM_VARIANCE: "_variance"}


def paddle_name(parameter):
    path, _, leaf = parameter.name.rpartition(".")
    return f"{path}.{LEAVES.get(parameter.role, leaf)}".lstrip(".")


def paddle_shape(parameter):
    transposed = parameter.role is Role.LINEAR_KERNEL
    return parameter.shape[::-1] if transposed else parameter.shape


def stored(parameter, array):
    """A canonical array as Paddle keeps it."""
    return array.T if parameter.role is Role.LINEAR_KERNEL else array


def assign(layer, parameters, arrays):
    state = layer.state_dict()
    for parameter in parameters:
        state[paddle_name(parameter)].set_value(stored(parameter, arrays[parameter.name]))


def randomised(layer):
    """Every array random, so that no attention is constant and no statistic is at its start."""
    for name, tensor in layer.state_dict().items():
        low, high = (0.5, 1.5) if name.endswith("_variance") else (-1.0, 1.0)
        tensor.set_value(paddle.uniform(tensor.shape, tensor.dtype, low, high))
    return layer
