"""The version of this package, as it stands in the files that it writes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("odconv")
except PackageNotFoundError:  # run from a source tree
    __version__ = "unreleased"


def release() -> str:
    """Such as "odconv 0.1.0"."""
    return f"odconv {__version__}"
