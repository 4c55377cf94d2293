"""Random arrays for a spec, such that a mistake in any of them shows in the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod, sqrt
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from odconv_spec import Parameter, Role
from parity_tests.reference.tape import Array

Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Array]


def _normal(deviation: float) -> Draw:
    return lambda generator, shape: deviation * generator.standard_normal(shape)


def _around_one(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.uniform(0.5, 1.5, shape)


def _static_kernel(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    gain = 2.0 if shape[1] == 1 else 1.0
    return gain / sqrt(prod(shape[1:])) * generator.standard_normal(shape)


def _expert_kernels(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    gain = sqrt(shape[0]) * (2.0 if shape[2] == 1 else 1.0)
    return gain / sqrt(prod(shape[2:])) * generator.standard_normal(shape)


def _spectrum(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    ratio, rows, columns, _ = shape
    gain = sqrt(rows / 2 / ratio) / (min(rows, 2 * columns) // 2)
    return gain * generator.standard_normal(shape)


def _whole(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.zeros(shape)  # drawn where it is known what they name


def _cells(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    # Weights of many cells add up to one, and cells of one tap make kernels of nine.
    gain = 1.0 if shape[2] == 1 else 0.25
    return gain * sqrt(shape[0] / prod(shape[2:])) * generator.standard_normal(shape)


# The gains are found by trial, so that with random statistics the published networks neither
# explode nor forget their input: residual branches must be somewhat weaker than their shortcuts,
# depthwise kernels make up for what two ReLU6 take from the blocks of MobileNetV2, and experts for
# the mean of several kernels.
_DRAWS: Mapping[Role, Draw] = MappingProxyType(
    {
        Role.CONV_KERNEL: _static_kernel,
        Role.TRANSPOSED_KERNEL: _static_kernel,
        Role.EXPERT_KERNELS: _expert_kernels,
        Role.EXPERT_BIASES: _normal(0.5),
        Role.LINEAR_KERNEL: _static_kernel,
        Role.BIAS: _normal(0.5),
        Role.CELLS: _cells,
        Role.BASIS_BIAS: _normal(0.5),
        Role.SPECTRUM: _spectrum,
        Role.INDICES: _whole,
        Role.SCALE: _around_one,
        Role.NORM_SCALE: _around_one,
        Role.NORM_SHIFT: _normal(0.2),
        Role.NORM_MEAN: _normal(0.2),
        Role.NORM_VARIANCE: _around_one,
    }
)

_FUSION_GAINS: Mapping[str, float] = MappingProxyType(
    {"fc_phi": 0.03, "fc_scale": 0.1, "p": 0.3, "conv_p": 0.3, "conv": 0.8}
)

# Blocks of a ResNet add to their input, those of ShuffleNetV2 stand beside it.
_BLOCK_GAINS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("wn_fc2.weight", "layer"): 0.5,
        ("wn_fc2.weight", "features"): 0.8,
        ("dft_weight", "layer"): 0.3,
    }
)


def random_arrays(
    parameters: Iterable[Parameter], seed: int, dtype: npt.DTypeLike = np.float64
) -> dict[str, npt.NDArray[Any]]:
    """A random array for every parameter; other dtypes get the float64 values, rounded.

    Returns:
        Canonical name -> array.

    Example:
        >>> from odconv_spec import ODConvSpec
        >>> spec = ODConvSpec(in_channels=8, out_channels=6, kernel_size=3)
        >>> arrays = random_arrays(spec.parameters(), seed=1)
        >>> arrays["weight"].shape, arrays["weight"].dtype.name
        ((4, 6, 8, 3, 3), 'float64')
    """
    generator = np.random.default_rng(seed)
    every = {parameter.name: parameter for parameter in parameters}
    found = {}
    for name, parameter in every.items():
        array = _DRAWS[parameter.role](generator, parameter.shape)
        if parameter.role is Role.EXPERT_KERNELS:
            array *= _mixing_gain(parameter, every)
        array *= _fusion_gain(name, every) * _taps_gain(name, every) * _block_gain(name)
        if parameter.role is Role.INDICES:
            found[name] = _permutation(generator, parameter, every)
        else:
            found[name] = array.astype(dtype, copy=False)
    return found


def _permutation(
    generator: np.random.Generator, indices: Parameter, every: Mapping[str, Parameter]
) -> npt.NDArray[np.int64]:
    """Rows and columns of each spectrum in random order, which FDConv cuts into groups."""
    layer = indices.name.removesuffix("frequency_order.indices")
    ratio, rows, columns, _ = every[f"{layer}dft_weight"].shape
    flat = [generator.permutation(rows * columns) for _ in range(ratio)]
    places = [np.unravel_index(order, (rows, columns)) for order in flat]
    return np.array(places, np.int64).reshape(indices.shape)


def _fusion_gain(name: str, every: Mapping[str, Parameter]) -> float:
    """What DCD takes, which adds to a map one that grows with its square, and scales up to twice.

    Its own arrays make less of that than others would, so that deep networks stay in bounds.
    """
    gains = {f"{path}.weight": gain for path, gain in _FUSION_GAINS.items()}
    leaf = next((leaf for leaf in gains if name == leaf or name.endswith(f".{leaf}")), None)
    if leaf is None or f"{name.removesuffix(leaf)}fc_phi.weight" not in every:
        return 1.0
    return gains[leaf]


def _taps_gain(name: str, every: Mapping[str, Parameter]) -> float:
    """What WeightNet takes, whose last layer has the taps of its kernels as outputs."""
    if not name.endswith("wn_fc2.weight"):
        return 1.0
    taps, numbers = (every[name.replace("fc2", fc)].shape[0] for fc in ("fc2", "fc1"))
    return sqrt(numbers / taps)


def _block_gain(name: str) -> float:
    """What kernels take that are not of one size for all samples, in a network of many blocks."""
    for (leaf, start), gain in _BLOCK_GAINS.items():
        if name.endswith(leaf) and name.startswith(start):
            return gain
    return 1.0


def _mixing_gain(bank: Parameter, every: Mapping[str, Parameter]) -> float:
    """What a kind of mixture takes: ODConv's sigmoids around a half, CondConv's sum of sigmoids."""
    attention = f"{bank.name.removesuffix('weight')}attention"
    if f"{attention}.fc1.weight" in every:
        return 0.75  # a softmax weighs some kernels more than others
    if f"{attention}.fc.weight" in every:
        return 5.0 if bank.shape[2] == 1 else 2.0
    return 2.0 / bank.shape[0]
