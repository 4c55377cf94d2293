"""The order of the frequencies of a kernel's spectrum, as FDConv cuts it into groups."""

from __future__ import annotations

from typing import Any

from odconv_spec.fd_conv import FDConvSpec


def frequency_order(numpy: Any, spec: FDConvSpec) -> Any:
    """Row and column of every coefficient, from the lowest frequency to the highest, in groups.

    Most frequencies are as high as another, and the published code leaves their order to an
    unstable sort and to rounding: it may differ between versions of PyTorch, and processors. This
    is the one that PyTorch's stable sort gives in float32, made of operations that are the same
    everywhere.

    Args:
        numpy: the module, which nothing in this package imports.
        spec: of the layer.

    Returns:
        An int64 array (param_ratio, 2, kernel_num, frequencies of a group).

    Example:
        >>> spec = FDConvSpec(in_channels=2, out_channels=2, kernel_size=1, kernel_num=2)
        >>> frequency_order(np, spec).tolist()
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
    places = numpy.stack([order // spec.spectrum[1], order % spec.spectrum[1]])
    shape = spec.indices_shape
    groups = places.reshape(1, *shape[1:]).astype("i8")
    return numpy.repeat(groups, shape[0], axis=0)


def _frequencies(numpy: Any, index: Any, length: int) -> Any:
    """Multiples of 1 / length in float32, as PyTorch makes them."""
    return index.astype("f4") * numpy.float32(1 / length)
