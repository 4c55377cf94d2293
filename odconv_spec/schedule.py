"""How the temperature of attentions falls in training."""

from __future__ import annotations

from odconv_spec.geometry import real, whole

MOST_TEMPERATURE = 1e6


def linear_temperature(step: int, steps: int, start: float = 30.0, end: float = 1.0) -> float:
    """The temperature after `step` optimiser steps: linear from `start` to `end`, then constant.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so that `steps` is ten
    times the number of batches of an epoch.

    Returns:
        The divisor of the attention logits.

    Raises:
        ValueError: `step` is negative, `steps` is not positive, or a temperature is not positive.

    Example:
        >>> [linear_temperature(step, steps=100) for step in (0, 50, 100, 150)]
        [30.0, 15.5, 1.0, 1.0]
    """
    whole("step", step, 0)
    whole("steps", steps, 1)
    real("start", start, 0, MOST_TEMPERATURE)
    real("end", end, 0, MOST_TEMPERATURE)
    return end + (start - end) * max(0, steps - step) / steps
