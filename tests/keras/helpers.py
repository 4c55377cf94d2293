"""Reads and writes a layer's arrays by canonical names, with axes moved explicitly; runs layers."""

from __future__ import annotations

from functools import lru_cache, partial

import keras
import numpy as np

from odconv_keras import layers
from odconv_spec import Role

LAYERS = {  # kind -> the layers over one, two and three axes
    "od": (layers.ODConv1D, layers.ODConv2D, layers.ODConv3D),
    "dy": (layers.DyConv1D, layers.DyConv2D, layers.DyConv3D),
    "cond": (layers.CondConv1D, layers.CondConv2D, layers.CondConv3D),
}
LEAVES = {
    Role.CONV_KERNEL: {"weight": "kernel"},
    Role.EXPERT_KERNELS: {"weight": "kernel"},
    Role.LINEAR_KERNEL: {"weight": "kernel"},
    Role.EXPERT_BIASES: {"bias": "bias"},
    Role.BIAS: {"bias": "bias"},
    Role.NORM_SCALE: {"weight": "gamma"},
    Role.NORM_SHIFT: {"bias": "beta"},
    Role.NORM_MEAN: {"running_mean": "moving_mean"},
    Role.NORM_VARIANCE: {"running_var": "moving_variance"},
}


def variable(layer, parameter):
    *path, leaf = parameter.name.split(".")
    for attribute in path:
        layer = getattr(layer, attribute)
    return getattr(layer, LEAVES[parameter.role][leaf])


def to_keras(role, array):
    if (
        role is Role.EXPERT_KERNELS
    ):  # (kernel_num, out, in, *kernel): (kernel_num, *kernel, in, out)
        return np.moveaxis(array, (1, 2), (-1, -2))
    if role in (Role.CONV_KERNEL, Role.LINEAR_KERNEL):  # (out, in, *kernel): (*kernel, in, out)
        return np.moveaxis(array, (0, 1), (-1, -2))
    return array


def to_canonical(role, array):
    if role is Role.EXPERT_KERNELS:
        return np.moveaxis(array, (-1, -2), (1, 2))
    if role in (Role.CONV_KERNEL, Role.LINEAR_KERNEL):
        return np.moveaxis(array, (-1, -2), (0, 1))
    return array


def assign(layer, parameters, arrays):
    for parameter in parameters:
        stored = variable(layer, parameter)
        array = to_keras(parameter.role, np.asarray(arrays[parameter.name]))
        assert tuple(stored.shape) == array.shape, parameter.name
        stored.assign(array)


def extract(layer, parameters):
    """Copies by canonical name."""
    return {p.name: np.array(to_canonical(p.role, numpy(variable(layer, p)))) for p in parameters}


def fill(layer, seed=1):
    """Random values in every weight of a layer or model, but not in temperatures."""
    generator = np.random.default_rng(seed)
    for weight in layer.weights:
        if weight.name.endswith("variance"):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.name != "temperature":
            weight.assign(generator.normal(0, 0.5, weight.shape))
    return layer


def numpy(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def channels_last(array):
    return np.moveaxis(array, 1, -1)


def channels_first(array):
    return np.moveaxis(array, -1, 1)


def run(layer, x, training=False):
    """Output as an array. JAX compiles: operation by operation is slow."""
    if not layer.built:
        layer.build(x.shape)
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        state = [[v.value for v in layer.trainable_variables]]
        state.append([v.value for v in layer.non_trainable_variables])
        y, moved = _compiled(layer, training)(*state, x)
        for variable, value in zip(layer.non_trainable_variables, moved, strict=True):
            variable.assign(value)
    else:
        y = layer(x, **_options(training))
    return keras.tree.map_structure(lambda leaf: None if leaf is None else numpy(leaf), y)


@lru_cache(maxsize=32)
def _compiled(layer, training):
    import jax

    return jax.jit(partial(layer.stateless_call, **_options(training)))


def _options(training):
    return {"training": True} if training else {}
