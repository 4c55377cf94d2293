"""How each framework stores an array of each role: one table each, read in both directions.

A row gives the leaf's name and the order of its axes, canonical order -> stored order, where `*`
stands for the kernel's spatial axes and a parenthesis for axes that are stored as one. The way back
is derived from the same row. Rows are found by role: two roles of equal shape, such as a square
linear kernel and a square 1x1 kernel, must not be told apart by their shapes, and nothing is ever
reshaped to fit: only axes that a row writes as one are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Final, TypeVar

import numpy as np

from odconv_spec import Parameter, Role
from odconv_spec.warehouse import LIST
from weights_converter.arrays.dtypes import Array

Item = TypeVar("Item")
_GROUPS = re.compile(r"\(([^)]*)\)|(\S+)")  # what is in parentheses, or one name
_SLICE = 16  # elements: as many float32 fill a line of the processor's caches


@dataclass(frozen=True)
class Row:
    """One role in one framework.

    Attributes:
        leaf: last part of the array's name in the framework's objects.
        axes: "canonical -> stored" order of the axes; empty where it is the same.
        slot: last part of its name in a Keras weights file, which numbers a layer's arrays.
        lacks: the part of an owner's canonical path before its number that the framework's lacks.
    """

    leaf: str
    axes: str = ""
    slot: int = 0
    lacks: str = ""

    def order(self, rank: int) -> tuple[int, ...]:
        """Which canonical axis stands at each place of a stored array, before axes are joined."""
        return tuple(axis for joined in self.joined(rank) for axis in joined)

    def fits(self, rank: int) -> bool:
        """Whether an array has as many axes as the row names, `*` standing for none or more."""
        named = self.axes.partition("->")[0].split()
        return rank >= len(named) - ("*" in named)

    def joined(self, rank: int) -> tuple[tuple[int, ...], ...]:
        """The canonical axes that make up each axis of a stored array."""
        return _joined(self.axes, rank)


@cache
def _joined(axes: str, rank: int) -> tuple[tuple[int, ...], ...]:
    if not axes:
        return tuple((axis,) for axis in range(rank))
    canonical, stored = axes.split("->")
    numbers = _numbers(canonical.split(), rank)
    found: list[tuple[int, ...]] = []
    for together, alone in _GROUPS.findall(stored):
        places = tuple(axis for name in (together or alone).split() for axis in numbers[name])
        found.extend([places] if together else [(axis,) for axis in places])
    return tuple(found)


def _numbers(names: list[str], rank: int) -> dict[str, tuple[int, ...]]:
    """The places of each named axis, of which `*` has as many as are left."""
    found: dict[str, tuple[int, ...]] = {}
    position = 0
    for name in names:
        width = rank - len(names) + 1 if name == "*" else 1
        found[name] = tuple(range(position, position + width))
        position += width
    return found


@dataclass(frozen=True)
class Placed(Parameter):
    """A parameter of a Keras model whose own files call it `path` instead of by its attributes."""

    path: str = ""


@dataclass(frozen=True)
class Layout:
    """The rows of one framework, and how it writes the path to an array in a file.

    Attributes:
        name: of the framework.
        rows: of each role.
        flat: second rows of roles that some code stores with axes joined. Fewer axes tell them.
        numbered: a path ends in /vars/<slot> instead of .<leaf>.
    """

    name: str
    rows: Mapping[Role, Row]
    flat: Mapping[Role, Row] = field(default_factory=dict)
    numbered: bool = False

    def stored_name(self, parameter: Parameter) -> str:
        """The array's name in a file of this framework."""
        if self.numbered and isinstance(parameter, Placed):
            return parameter.path
        return self.file_name(holder_of(parameter), parameter.role)

    def file_name(self, owner: str, role: Role) -> str:
        """The name of the array of that role of a layer, whose path is the canonical one."""
        row = self.rows[role]
        if row.lacks:
            owner = re.sub(rf"\b{row.lacks}\.(\d+)$", r"\1", owner)
        if self.numbered:
            return f"{owner.replace('.', '/')}/vars/{row.slot}".lstrip("/")
        return f"{owner}.{row.leaf}".strip(".")

    def canonical_owner(self, owner: str, role: Role) -> str:
        """The canonical path of a layer of this framework with an array of that role."""
        lacks = self.rows[role].lacks
        return re.sub(r"(\d+)$", rf"{lacks}.\1", owner) if lacks else owner

    def stored_shape(self, role: Role, canonical: tuple[int, ...]) -> tuple[int, ...]:
        return reorder(canonical, self.rows[role].order(len(canonical)))

    def canonical_shape(self, role: Role, stored: tuple[int, ...]) -> tuple[int, ...]:
        return reorder(stored, inverse(self.rows[role].order(len(stored))))

    def to_stored(self, role: Role, array: Array) -> Array:
        """The array as this framework keeps it, C-contiguous: some writers need that."""
        return contiguous(array.transpose(self.rows[role].order(array.ndim)))

    def to_canonical(self, role: Role, array: Array) -> Array:
        return contiguous(array.transpose(inverse(self.rows[role].order(array.ndim))))

    def is_flat(self, parameter: Parameter, stored: tuple[int, ...]) -> bool:
        """Whether an array of this shape is the parameter with its axes joined."""
        row = self.flat.get(parameter.role)
        return row is not None and len(stored) == len(row.joined(len(parameter.shape)))

    def flat_shape(self, parameter: Parameter) -> tuple[int, ...]:
        joined = self.flat[parameter.role].joined(len(parameter.shape))
        return tuple(prod(parameter.shape[axis] for axis in axes) for axes in joined)

    def to_flat(self, parameter: Parameter, array: Array) -> Array:
        """A canonical array with the axes joined that the row of `flat` joins."""
        order = self.flat[parameter.role].order(array.ndim)
        return contiguous(array.transpose(order)).reshape(self.flat_shape(parameter))

    def from_flat(self, parameter: Parameter, array: Array) -> Array:
        """The way back, which needs the canonical shape."""
        order = self.flat[parameter.role].order(len(parameter.shape))
        apart = array.reshape(reorder(parameter.shape, order))
        return contiguous(apart.transpose(inverse(order)))


def owner_of(name: str) -> str:
    """The path of the layer that holds the array: "" for a lone layer's own."""
    return name.rpartition(".")[0]


def holder_of(parameter: Parameter) -> str:
    """The same of a parameter; an array of a list has its own path, as it has no other layer."""
    return owner_of(parameter.name) if TORCH.rows[parameter.role].leaf else parameter.name


def reorder(items: tuple[Item, ...], order: tuple[int, ...]) -> tuple[Item, ...]:
    return tuple(items[axis] for axis in order)


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(axis) for axis in range(len(order)))


def contiguous(array: Array) -> Array:
    """The array in C order; itself where it is so already.

    A transposed kernel is copied in slices of its last long axis. Otherwise NumPy steps through the
    whole source for each row of the result, and most of the steps miss the processor's caches.
    """
    if array.flags.c_contiguous:
        return array
    result = np.empty(array.shape, array.dtype)
    long = [axis for axis, size in enumerate(array.shape) if size > _SLICE]
    axis = long[-1] if long else 0
    before = (slice(None),) * axis
    for start in range(0, array.shape[axis], _SLICE):
        place = (*before, slice(start, start + _SLICE))
        result[place] = array[place]
    return result


TORCH = Layout(
    "torch",
    {
        Role.CONV_KERNEL: Row("weight"),
        Role.TRANSPOSED_KERNEL: Row("weight"),
        Role.EXPERT_KERNELS: Row("weight"),
        Role.EXPERT_BIASES: Row("bias"),
        Role.LINEAR_KERNEL: Row("weight"),
        Role.BIAS: Row("bias"),
        Role.CELLS: Row(""),  # in a list of parameters: the path is the name
        Role.BASIS_BIAS: Row("basis_bias"),
        Role.SPECTRUM: Row("dft_weight"),
        Role.INDICES: Row("indices"),
        Role.SCALE: Row("scale"),
        Role.NORM_SCALE: Row("weight"),
        Role.NORM_SHIFT: Row("bias"),
        Role.NORM_MEAN: Row("running_mean"),
        Role.NORM_VARIANCE: Row("running_var"),
    },
    # https://github.com/huggingface/pytorch-image-models/blob/main/timm/layers/cond_conv2d.py
    flat={Role.EXPERT_KERNELS: Row("weight", "expert out in * -> expert (out in *)")},
)
PADDLE = Layout(
    "paddle",
    {
        **TORCH.rows,
        # https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/Linear_en.html
        Role.LINEAR_KERNEL: Row("weight", "out in -> in out"),
        Role.NORM_MEAN: Row("_mean"),
        Role.NORM_VARIANCE: Row("_variance"),
    },
)
KERAS = Layout(
    "keras",
    {
        Role.CONV_KERNEL: Row("kernel", "out in * -> * in out", slot=0),
        Role.TRANSPOSED_KERNEL: Row("kernel", "in out * -> * out in", slot=0),
        Role.EXPERT_KERNELS: Row("kernel", "expert out in * -> expert * in out", slot=0),
        Role.EXPERT_BIASES: Row("bias", slot=1),
        Role.LINEAR_KERNEL: Row("kernel", "out in -> in out", slot=0),
        Role.BIAS: Row("bias", slot=1),
        # Each warehouse is a layer, and `weights` is what all layers of Keras have for their own.
        Role.CELLS: Row("cells", slot=0, lacks=LIST),
        Role.BASIS_BIAS: Row("basis_bias", slot=1),  # behind the temperature
        Role.SPECTRUM: Row("dft_weight", slot=0),
        Role.INDICES: Row("indices", slot=0),
        Role.SCALE: Row("scale", slot=0),
        Role.NORM_SCALE: Row("gamma", slot=0),
        Role.NORM_SHIFT: Row("beta", slot=1),
        Role.NORM_MEAN: Row("moving_mean", slot=2),
        Role.NORM_VARIANCE: Row("moving_variance", slot=3),
    },
    numbered=True,
)
# The same arrays by name, as TensorFlow's own checkpoints have them.
TENSORFLOW = Layout(
    "tensorflow",
    KERAS.rows,
    # https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/condconv
    flat={Role.EXPERT_KERNELS: Row("kernel", "expert out in * -> expert (* in out)")},
)
LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.name: layout for layout in (TORCH, PADDLE, KERAS, TENSORFLOW)
}
