"""What a trained model stores, independent of any framework."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    """What a stored array is for. The converter looks layouts up by role, never by shape.

    Example:
        >>> spec = model_spec("resnet18")
        >>> sum(p.role is Role.CONV_KERNEL for p in spec.parameters())
        20
        >>> Role("norm_mean").trainable
        False
    """

    CONV_KERNEL = "conv_kernel"  # (out, in // groups, *kernel)
    TRANSPOSED_KERNEL = "transposed_kernel"  # (in, out // groups, *kernel)
    EXPERT_KERNELS = "expert_kernels"  # (kernel_num, out, in // groups, *kernel)
    EXPERT_BIASES = "expert_biases"  # (kernel_num, out)
    LINEAR_KERNEL = "linear_kernel"  # (out, in)
    BIAS = "bias"  # (out,)
    CELLS = "cells"  # (cells, out, in, *taps) of a warehouse, an array without an owner
    BASIS_BIAS = "basis_bias"  # (mixtures * (cells + 1),)
    SPECTRUM = "spectrum"  # (param_ratio, rows, columns, real and imaginary part)
    INDICES = "indices"  # whole numbers, of any shape, which name elements of another array
    SCALE = "scale"  # (1,)
    NORM_SCALE = "norm_scale"  # (channels,)
    NORM_SHIFT = "norm_shift"  # (channels,)
    NORM_MEAN = "norm_mean"  # (channels,)
    NORM_VARIANCE = "norm_variance"  # (channels,)

    @property
    def trainable(self) -> bool:
        """Whether a training changes the array by its gradient.

        Returns:
            False for running statistics and indices.
        """
        return self not in (Role.NORM_MEAN, Role.NORM_VARIANCE, Role.INDICES)


# The roles of a layer's own arrays, in their order; it may lack those behind the first.
NORM = (Role.NORM_SCALE, Role.NORM_SHIFT, Role.NORM_MEAN, Role.NORM_VARIANCE)
LAYER_NORM = (Role.NORM_SCALE, Role.NORM_SHIFT)
LINEAR = (Role.LINEAR_KERNEL, Role.BIAS)
DYNAMIC = (Role.EXPERT_KERNELS, Role.BIAS)
CONV = (Role.CONV_KERNEL, Role.BIAS)
TRANSPOSED_CONV = (Role.TRANSPOSED_KERNEL, Role.BIAS)


@dataclass(frozen=True)
class Parameter:
    """One stored array: its canonical (official PyTorch) name, its role and its canonical shape.

    Example:
        >>> model_spec("od_resnet18").parameters()[0]
        Parameter(name='conv1.weight', role=<Role.CONV_KERNEL: 'conv_kernel'>, shape=(64, 3, 7, 7))
    """

    name: str
    role: Role
    shape: tuple[int, ...]

    def under(self, prefix: str) -> Parameter:
        """The same parameter as seen from a parent that calls its owner `prefix`.

        Args:
            prefix: a path without a dot at its end.

        Returns:
            The parameter whose name begins with `prefix` and a dot.
        """
        # A network has thousands: dataclasses.replace takes ten times as long.
        return Parameter(f"{prefix}.{self.name}", self.role, self.shape)


def under(prefix: str, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The same parameters as seen from a parent that calls their owner `prefix`.

    Returns:
        Parameters whose names begin with `prefix` and a dot.

    Example:
        >>> [p.name for p in under("body.fc", LinearSpec(512, 10).parameters())]
        ['body.fc.weight', 'body.fc.bias']
    """
    return tuple(parameter.under(prefix) for parameter in parameters)
