"""In which form layers are recorded for a file.

A file must not depend on the machine that writes it, and other runtimes have no loops over samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import keras

FORMS: Final = ("compact", "single")
_FORM: Final[ContextVar[str | None]] = ContextVar("odconv_keras_form", default=None)


@contextmanager
def recording(form: str = "compact") -> Iterator[None]:
    """Inside, the layers have a form that files of every runtime take, whichever machine records.

    `model.export(...)` has it without this for any number of samples. A function of your own that
    is to be stored, or an `input_signature` with a fixed batch, is recorded inside.

    Args:
        form: "compact", patches and matrix products; or "single", an ordinary convolution with the
            mixed kernel, for a batch of one.

    Returns:
        A context manager.

    Raises:
        ValueError: no such form.

    Example:
        >>> layer = ODConv2D(8, 3)
        >>> with recording():
        ...     tuple(layer(keras.ops.ones((2, 9, 9, 4))).shape)
        (2, 7, 7, 8)
    """
    if form not in FORMS:
        raise ValueError(f"form: expected one of {FORMS}, received {form!r}")
    before = _FORM.set(form)
    try:
        yield
    finally:
        _FORM.reset(before)


def recorded_form(x: Any) -> str | None:
    """The form that is asked for where x, (batch, ...), is; None outside of recordings."""
    form = _FORM.get()
    if form is not None or keras.backend.backend() != "tensorflow" or x.shape[0] is not None:
        return form
    from odconv_keras.layers.recording_tensorflow import is_recorded_for_a_file

    return "compact" if is_recorded_for_a_file() else None
