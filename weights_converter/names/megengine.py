"""MegEngine's shapes, as of https://github.com/megvii-model/WeightNet; its names are PyTorch's.

Biases and the arrays of a norm have an axis for each axis of a map, (1, channels, 1, 1), and the
kernel of a convolution in groups has an axis of the groups, (groups, out, in, height, width) of
each. A file is known by its biases; what else has five axes there is such a kernel.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint, Tensor

_KERNEL_AXES = 5
_OF_CHANNELS = ("bias", "running_mean", "running_var")


def with_shapes_of_torch(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with PyTorch's shapes; itself where its shapes are not those of MegEngine."""
    tensors = checkpoint.tensors
    told = any(n.endswith(".bias") and _is_of_channels(t.shape) for n, t in tensors.items())
    if not told:
        return checkpoint
    names = {name for name in tensors if name.rpartition(".")[2] in _OF_CHANNELS} | _scales(tensors)
    found = {
        name: _reshaped(tensor, _shape(tensor.shape, name in names))
        for name, tensor in tensors.items()
    }
    notes = (*checkpoint.notes, "its shapes are those of MegEngine")
    return replace(checkpoint, tensors=found, notes=notes)


def _scales(names: Collection[str]) -> set[str]:
    """The scales of norms, which have statistics beside them."""
    end = ".running_var"
    return {f"{name.removesuffix(end)}.weight" for name in names if name.endswith(end)}


def _is_of_channels(shape: tuple[int, ...]) -> bool:
    return len(shape) == _KERNEL_AXES - 1 and shape[0] == 1 and shape[2:] == (1, 1)


def _shape(shape: tuple[int, ...], of_channels: bool) -> tuple[int, ...]:
    if of_channels and _is_of_channels(shape):
        return shape[1:2]
    if len(shape) == _KERNEL_AXES:
        return (shape[0] * shape[1], *shape[2:])
    return shape


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    def load() -> Array:
        return tensor.load().reshape(shape)

    return tensor if shape == tensor.shape else Tensor(tensor.name, tensor.dtype, shape, load)
