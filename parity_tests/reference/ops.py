"""Operations on values that have no operator of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np

from parity_tests.reference.tape import Array, Value, record


def exp(x: Value) -> Value:
    result = np.exp(x.data)
    return record(result, (x, lambda gradient: gradient * result))


def log(x: Value) -> Value:
    return record(np.log(x.data), (x, lambda gradient: gradient / x.data))


def absolute(x: Value) -> Value:
    return record(np.abs(x.data), (x, lambda gradient: gradient * np.sign(x.data)))


def sigmoid(x: Value) -> Value:
    result = np.exp(-np.logaddexp(0.0, -x.data))  # 1 / (1 + exp(-x)) without overflow
    return record(result, (x, lambda gradient: gradient * result * (1.0 - result)))


def clip(x: Value, low: float, high: float) -> Value:
    """`x` limited to [low, high]; at the limits the gradient is zero, as in the frameworks."""
    inside = (x.data > low) & (x.data < high)
    return record(np.clip(x.data, low, high), (x, lambda gradient: gradient * inside))


def largest(x: Value, axis: int) -> Value:
    """The maximum over `axis`; of equal values the first takes the gradient."""
    where = np.expand_dims(np.argmax(x.data, axis), axis)

    def pullback(gradient: Array) -> Array:
        result = np.zeros(x.shape)
        np.put_along_axis(result, where, np.expand_dims(gradient, axis), axis)
        return result

    return record(np.take_along_axis(x.data, where, axis).squeeze(axis), (x, pullback))


def element(x: Value, axis: int, index: int) -> Value:
    """Element `index` of an axis, which goes away."""

    def pullback(gradient: Array) -> Array:
        result = np.zeros(x.shape)
        np.moveaxis(result, axis, 0)[index] = gradient
        return result

    return record(x.data.take(index, axis), (x, pullback))


def columns(x: Value, start: int, end: int) -> Value:
    """Columns `start` to `end` of a matrix, the last one left out."""

    def pullback(gradient: Array) -> Array:
        result = np.zeros(x.shape)
        result[:, start:end] = gradient
        return result

    return record(x.data[:, start:end], (x, pullback))


def side_by_side(matrices: Sequence[Value]) -> Value:
    """The columns of all matrices in their order."""
    ends = np.cumsum([matrix.shape[1] for matrix in matrices])
    sources = [
        (matrix, lambda gradient, end=end, width=matrix.shape[1]: gradient[:, end - width : end])
        for matrix, end in zip(matrices, ends, strict=True)
    ]
    return record(np.concatenate([matrix.data for matrix in matrices], axis=1), *sources)


def transposed(x: Value, order: Sequence[int]) -> Value:
    """The value with its axes in another order."""
    back = np.argsort(order)
    return record(x.data.transpose(order), (x, lambda gradient: gradient.transpose(back)))


def pad(x: Value, pairs: Sequence[tuple[int, int]], value: float = 0.0) -> Value:
    """Adds (before, after) elements of `value` along each of the last axes."""
    every = [(0, 0)] * (x.data.ndim - len(pairs)) + list(pairs)
    padded = np.pad(x.data, every, constant_values=value)
    inner = tuple(
        slice(before, before + size) for (before, _), size in zip(every, x.shape, strict=True)
    )
    return record(padded, (x, lambda gradient: gradient[inner]))


def windows(
    x: Value, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Value:
    """What each tap of a kernel sees: (batch, channels, taps, *positions), taps in row-major order.

    Args:
        x: a padded map, (batch, channels, *space).
        kernel: extent along each axis of space; `stride` and `dilation` likewise.
    """
    positions = _positions(x.shape[2:], kernel, stride, dilation)
    seen = [x.data[tap] for tap in _taps(kernel, stride, dilation, positions)]

    def pullback(gradient: Array) -> Array:
        result = np.zeros(x.shape)
        for index, tap in enumerate(_taps(kernel, stride, dilation, positions)):
            result[tap] += gradient[:, :, index]
        return result

    return record(np.stack(seen, axis=2), (x, pullback))


def _positions(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """How many places the kernel takes along each axis."""
    found = [
        (size - (extent - 1) * apart - 1) // step + 1
        for size, extent, step, apart in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    if prod(found) == 0 or min(found) < 0:
        raise ValueError(
            f"a kernel of {tuple(kernel)} with dilation {tuple(dilation)} does not fit into a "
            f"padded map of {tuple(sizes)}: expected at least one position along each axis"
        )
    return found


def _taps(
    kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], positions: Sequence[int]
) -> Iterator[tuple[slice, ...]]:
    """For each tap the elements of the padded map that it meets."""
    everything = slice(None)
    for tap in product(*map(range, kernel)):
        starts = [offset * apart for offset, apart in zip(tap, dilation, strict=True)]
        yield (
            everything,
            everything,
            *(
                slice(start, start + (count - 1) * step + 1, step)
                for start, step, count in zip(starts, stride, positions, strict=True)
            ),
        )
