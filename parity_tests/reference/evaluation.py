"""One pass through a layer or a network, with everything that the runtimes are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from odconv_spec import BackboneSpec, ConvSpec, LinearSpec, RecalibrationSpec
from parity_tests.reference.kernel_warehouse import KWChainSpec
from parity_tests.reference.networks import forward, network_of
from parity_tests.reference.scope import Scope, gradients_of, values_of
from parity_tests.reference.tape import Array, Value, backward


@dataclass(frozen=True)
class Run:
    """What one pass gives.

    Attributes:
        output: (batch, out, *positions) of a layer; (batch, classes) of a network, or its features
            where it has no head.
        attentions: "channel", "filter", "spatial" and "kernel", those that exist; of a network,
            such a table for the path of each dynamic layer.
        grad_input: gradient of the input, None where no gradient was asked for.
        grads: gradient of every trainable array; empty where none was asked for.
        statistics: every running statistic after the pass.

    Example:
        >>> import numpy as np
        >>> from odconv_spec import ODConvSpec
        >>> from parity_tests.reference import random_arrays
        >>> spec = ODConvSpec(in_channels=8, out_channels=6, kernel_size=3)
        >>> arrays = random_arrays(spec.parameters(), seed=1)
        >>> found = evaluate(spec, arrays, np.ones((2, 8, 5, 7)), grad_output=np.ones((2, 6, 3, 5)))
        >>> found.output.shape, sorted(found.attentions), found.grad_input.shape
        ((2, 6, 3, 5), ['channel', 'filter', 'kernel', 'spatial'], (2, 8, 5, 7))
    """

    output: Array
    attentions: dict[str, Any]
    grad_input: Array | None
    grads: dict[str, Array]
    statistics: dict[str, Array]


def evaluate(
    spec: ConvSpec | LinearSpec | RecalibrationSpec | KWChainSpec | BackboneSpec,
    arrays: Mapping[str, npt.ArrayLike],
    x: npt.ArrayLike,
    *,
    training: bool = False,
    temperature: float = 1.0,
    grad_output: npt.ArrayLike | None = None,
) -> Run:
    """Runs a layer or a network, and backwards where `grad_output` is given.

    Args:
        spec: of a convolution or linear layer of any kind, of a layer that scales maps, or of a
            backbone.
        arrays: every stored array by its canonical name.
        x: (batch, channels, *space).
        training: normalise by the batch's statistics and update the running ones.
        temperature: divides the logits of all attentions.
        grad_output: gradient of the output, of its shape.

    Returns:
        Output, attentions, gradients and statistics, as far as they were asked for.

    Raises:
        ValueError: the arrays are not those of the spec, or a shape does not fit.

    Example:
        >>> import numpy as np
        >>> from odconv_spec import ConvSpec
        >>> spec = ConvSpec(in_channels=1, out_channels=1, kernel_size=2)
        >>> evaluate(spec, {"weight": np.ones((1, 1, 2, 2))}, np.ones((1, 1, 2, 3))).output
        array([[[[4., 4.]]]])
    """
    gradients = grad_output is not None
    values = values_of(spec.parameters(), arrays, gradients=gradients)
    at = Scope(values, training, temperature)
    source = Value(x, variable=gradients)
    output = forward(spec, source, at)
    found = {} if grad_output is None else backward(output, grad_output)
    return Run(
        output=output.data,
        attentions=_attentions(spec, at),
        grad_input=found.get(source),
        grads=gradients_of(values, found),
        statistics=at.statistics,
    )


def features(
    spec: BackboneSpec,
    arrays: Mapping[str, npt.ArrayLike],
    x: npt.ArrayLike,
    *,
    temperature: float = 1.0,
) -> Array:
    """The last map of a network, before its mean over space: (batch, channels, *space).

    Returns:
        The map, (batch, channels, *space).

    Example:
        >>> import numpy as np
        >>> from odconv_spec import ResNetSpec
        >>> from parity_tests.reference import random_arrays
        >>> spec = ResNetSpec(stages=((8, 1), (12, 1)), stem_channels=8)
        >>> arrays = random_arrays(spec.parameters(), seed=1)
        >>> features(spec, arrays, np.ones((2, 3, 16, 24))).shape
        (2, 12, 2, 3)
    """
    values = values_of(spec.parameters(), arrays, gradients=False)
    at = Scope(values, temperature=temperature)
    return network_of(spec).features(spec, Value(x), at).data


def _attentions(spec: object, at: Scope) -> dict[str, Any]:
    found = {
        path: {name: value.data for name, value in table.items()}
        for path, table in at.attentions.items()
    }
    return found if isinstance(spec, BackboneSpec) else found.get("", {})
