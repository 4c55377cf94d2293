"""Reverse-mode derivatives of NumPy expressions in float64.

A `Value` remembers the values it was computed from, each with its pullback: the function that turns
the gradient of the result into the gradient of that source. What is computed from constants alone
remembers nothing, so a pass without gradients frees its intermediate maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Pullback: TypeAlias = Callable[[Array], Array]
Operand: TypeAlias = "Value | Array | float"


class Value:
    """An array in an expression. A `variable` is one that `backward` gives a gradient for."""

    __array_ufunc__ = None  # array + value is then left to Value.__radd__

    def __init__(
        self,
        data: npt.ArrayLike,
        sources: Sequence[tuple[Value, Pullback]] = (),
        *,
        variable: bool = False,
    ) -> None:
        self.data: Array = np.asarray(data, np.float64)
        self.sources = tuple(sources)
        self.differentiable = variable or bool(self.sources)
        self.depth: int = 1 + max((source.depth for source, _ in self.sources), default=0)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def T(self) -> Value:
        """The value with its axes reversed."""
        return record(self.data.T, (self, lambda gradient: gradient.T))

    def reshape(self, *shape: int) -> Value:
        back = (self, lambda gradient: gradient.reshape(self.shape))
        return record(self.data.reshape(shape), back)

    def sum(self, axes: Sequence[int] | None = None, keepdims: bool = False) -> Value:
        reduced = tuple(range(self.data.ndim) if axes is None else axes)

        def pullback(gradient: Array) -> Array:
            kept = gradient if keepdims else np.expand_dims(gradient, reduced)
            return np.broadcast_to(kept, self.shape)

        return record(self.data.sum(reduced, keepdims=keepdims), (self, pullback))

    def mean(self, axes: Sequence[int] | None = None, keepdims: bool = False) -> Value:
        counted = self.shape if axes is None else [self.shape[axis] for axis in axes]
        return self.sum(axes, keepdims) / float(prod(counted))

    def __add__(self, other: Operand) -> Value:
        right = lift(other)
        return record(
            self.data + right.data,
            (self, lambda gradient: unbroadcast(gradient, self.shape)),
            (right, lambda gradient: unbroadcast(gradient, right.shape)),
        )

    def __mul__(self, other: Operand) -> Value:
        right = lift(other)
        return record(
            self.data * right.data,
            (self, lambda gradient: unbroadcast(gradient * right.data, self.shape)),
            (right, lambda gradient: unbroadcast(gradient * self.data, right.shape)),
        )

    def __pow__(self, exponent: float) -> Value:
        slope = (self, lambda gradient: gradient * exponent * self.data ** (exponent - 1))
        return record(self.data**exponent, slope)

    def __matmul__(self, other: Operand) -> Value:
        """Matrix product over the last two axes; the leading axes broadcast."""
        right = lift(other)
        return record(
            self.data @ right.data,
            (self, lambda gradient: unbroadcast(gradient @ _flipped(right.data), self.shape)),
            (right, lambda gradient: unbroadcast(_flipped(self.data) @ gradient, right.shape)),
        )

    def __neg__(self) -> Value:
        return self * -1.0

    def __sub__(self, other: Operand) -> Value:
        return self + -lift(other)

    def __rsub__(self, other: Operand) -> Value:
        return -self + other

    def __truediv__(self, other: Operand) -> Value:
        return self * lift(other) ** -1.0

    def __rtruediv__(self, other: Operand) -> Value:
        return self**-1.0 * other

    __radd__ = __add__
    __rmul__ = __mul__


def lift(operand: Operand) -> Value:
    """The operand as a value; numbers and arrays become constants."""
    return operand if isinstance(operand, Value) else Value(operand)


def record(data: npt.ArrayLike, *sources: tuple[Value, Pullback]) -> Value:
    """The result of an operation; constant sources are forgotten."""
    return Value(data, [pair for pair in sources if pair[0].differentiable])


def _flipped(matrix: Array) -> Array:
    return matrix.swapaxes(-1, -2)


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sums `gradient` over the axes along which an operand of `shape` was repeated."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    repeated = [axis + extra for axis, size in enumerate(shape) if size == 1]
    return gradient.sum((*range(extra), *repeated)).reshape(shape)


def backward(output: Value, gradient: npt.ArrayLike) -> dict[Value, Array]:
    """The gradient of sum(output * gradient) for each variable that `output` depends on.

    Raises:
        ValueError: `gradient` has not the shape of `output`.
    """
    seed = np.asarray(gradient, np.float64)
    if seed.shape != output.shape:
        raise ValueError(
            f"gradient: expected the output's shape {output.shape}, received {seed.shape}"
        )
    gradients = {output: seed}
    # A source is always less deep than what was computed from it, so when a value's turn comes all
    # contributions to its gradient have arrived.
    for value in sorted(_computed(output), key=lambda value: value.depth, reverse=True):
        arrived = gradients.pop(value)
        for source, pullback in value.sources:
            contribution = pullback(arrived)
            gradients[source] = (
                gradients[source] + contribution if source in gradients else contribution
            )
    return gradients


def _computed(output: Value) -> set[Value]:
    """`output` and everything it depends on, without the variables themselves."""
    found: set[Value] = set()
    waiting = [output]
    while waiting:
        value = waiting.pop()
        if value.sources and value not in found:
            found.add(value)
            waiting.extend(source for source, _ in value.sources)
    return found
