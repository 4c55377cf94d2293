"""In which precision a training computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import paddle


def parameter_dtype(precision: str) -> Literal["float32", "float64"]:
    """What the parameters are stored in; mixed precision keeps them in float32.

    Example:
        >>> parameter_dtype("bfloat16")
        'float32'
    """
    return "float64" if precision == "float64" else "float32"


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers take their dtype from Paddle's default as they are made."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(parameter_dtype(precision))
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def autocast(precision: str) -> AbstractContextManager[Any]:
    """The scope of a forward pass, in half precision if that is asked for."""
    half: Literal["bfloat16", "float16"] = "float16" if precision == "float16" else "bfloat16"
    return paddle.amp.auto_cast(precision in ("bfloat16", "float16"), level="O1", dtype=half)
