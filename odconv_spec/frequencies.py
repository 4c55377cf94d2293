"""The frequencies of a kernel's spectrum, in the order in which FDConv cuts them into groups."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from odconv_spec.parameters import Parameter, Role


@dataclass(frozen=True)
class FrequencyOrderSpec:
    """Which frequencies each group of each spectrum has.

    `plane` is (out * taps, in * taps), the kernel laid out as one plane. It is real, so that its
    spectrum has about half as many columns.

    Example:
        >>> order = FrequencyOrderSpec(plane=(8 * 3, 6 * 3), kernel_num=4)
        >>> order.spectrum, order.shape
        ((24, 10), (1, 2, 4, 60))
    """

    plane: tuple[int, int]
    kernel_num: int
    param_ratio: int = 1

    @property
    def spectrum(self) -> tuple[int, int]:
        """Rows and columns of the spectrum.

        Returns:
            (rows, columns)
        """
        return self.plane[0], self.plane[1] // 2 + 1

    @property
    def shape(self) -> tuple[int, ...]:
        """(param_ratio, row and column, kernel_num, frequencies of a group)

        Returns:
            The shape of the array of indices.
        """
        return self.param_ratio, 2, self.kernel_num, prod(self.spectrum) // self.kernel_num

    def own_parameters(self) -> tuple[Parameter, ...]:
        """What the layer stores of it.

        Returns:
            One array, of whole numbers.
        """
        return (Parameter("indices", Role.INDICES, self.shape),)


def frequency_order(numpy: Any, spec: FrequencyOrderSpec) -> Any:
    """Row and column of every coefficient, from the lowest frequency to the highest, in groups.

    Most frequencies are as high as another, and the published code leaves their order to an
    unstable sort and to rounding: it may differ between versions of PyTorch, and processors. This
    is the one that PyTorch's stable sort gives in float32, made of operations that are the same
    everywhere.

    Args:
        numpy: the module, which nothing in this package imports.
        spec: of the order.

    Returns:
        An int64 array of `spec.shape`.

    Example:
        >>> import numpy
        >>> frequency_order(numpy, FrequencyOrderSpec(plane=(2, 2), kernel_num=2)).tolist()
        [[[[0, 0], [1, 1]], [[0, 1], [0, 1]]]]
    """
    rows, columns = spec.plane
    upper = numpy.arange(rows)
    height = _frequencies(numpy, numpy.minimum(upper, rows - upper), rows)
    width = _frequencies(numpy, numpy.arange(columns // 2 + 1), columns)
    # The square of the width is added before it is rounded, as a fused operation does.
    squares = (height * height)[:, None] + width.astype("f8") ** 2
    distance = numpy.sqrt(squares.astype("f4")).reshape(-1)
    order = numpy.argsort(distance, kind="stable")  # of the flat spectrum
    places = numpy.stack([order // len(width), order % len(width)])
    groups = places.reshape(1, *spec.shape[1:]).astype("i8")
    return numpy.repeat(groups, spec.param_ratio, axis=0)


def _frequencies(numpy: Any, index: Any, length: int) -> Any:
    """Multiples of 1 / length in float32, as PyTorch makes them."""
    return index.astype("f4") * numpy.float32(1 / length)
