"""What wrote a file, as the file says it."""

from __future__ import annotations

from odconv_spec.version import __version__


def release() -> str:
    """Such as "odconv 0.1.0"."""
    return f"odconv {__version__}"
