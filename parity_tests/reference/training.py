"""Several optimiser steps on the cross entropy of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from odconv_spec import BackboneSpec
from parity_tests.reference.functional import cross_entropy
from parity_tests.reference.networks import forward
from parity_tests.reference.scope import Scope, gradients_of, values_of
from parity_tests.reference.sgd import SGD
from parity_tests.reference.tape import Array, Value, backward


@dataclass(frozen=True)
class Training:
    """The loss before each step, and all arrays after the last one, running statistics included.

    Example:
        >>> Training(losses=(2.3, 1.9), arrays={"fc.bias": np.zeros(10)}).losses[-1]
        1.9
    """

    losses: tuple[float, ...]
    arrays: dict[str, Array]


def train(
    spec: BackboneSpec,
    arrays: Mapping[str, npt.ArrayLike],
    batches: Iterable[tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    temperature: float = 1.0,
) -> Training:
    """One step for each batch of (images, labels). Dropout is left out.

    Returns:
        The losses, and the arrays after the last step.

    Raises:
        ValueError: the arrays are not those of the spec, or a label is not a class.

    Example:
        >>> import numpy as np
        >>> from odconv_spec import ResNetSpec
        >>> from parity_tests.reference import random_arrays
        >>> spec = ResNetSpec(stages=((8, 1), (12, 1)), stem_channels=8, num_classes=4)
        >>> arrays = random_arrays(spec.parameters(), seed=1)
        >>> batch = np.random.default_rng(2).standard_normal((3, 3, 16, 24)), np.array([0, 2, 1])
        >>> found = train(spec, arrays, [batch, batch], lr=0.01, momentum=0.9, weight_decay=1e-4)
        >>> len(found.losses), found.losses[1] < found.losses[0]
        (2, True)
    """
    optimiser = SGD(lr, momentum, weight_decay)
    current = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    losses = []
    for x, labels in batches:
        values = values_of(spec.parameters(), current, gradients=True)
        at = Scope(values, training=True, temperature=temperature)
        loss = cross_entropy(forward(spec, Value(x), at), labels)
        grads = gradients_of(values, backward(loss, 1.0))
        losses.append(float(loss.data))
        current = optimiser.step(current, grads) | at.statistics
    return Training(tuple(losses), current)
