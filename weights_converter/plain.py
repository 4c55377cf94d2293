"""Plain values: what can be written as JSON and read back by every reader of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping

_MOST_BITS = 64


def plain(value: object) -> object:
    """`value` with text in the place of every number and letter that JSON does not have.

    Infinity and NaN become "inf", "-inf" and "nan"; whole numbers of more than 64 bits become text
    that says so; halves of surrogate pairs, which names of files have where they are not UTF-8, are
    escaped. Mappings become dicts, tuples and lists become lists.

        >>> plain({"best_loss": float("inf"), "epoch": 3})
        {'best_loss': 'inf', 'epoch': 3}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
