"""What odconv_spec says of arrays that it cannot explain, as an error of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from odconv_spec.evidence import UnexplainedError
from weights_converter.errors import MismatchError


@contextmanager
def explained() -> Iterator[None]:
    """Turns an UnexplainedError into a MismatchError, and no other ValueError."""
    try:
        yield
    except UnexplainedError as error:
        raise MismatchError(str(error), help=error.help) from error
