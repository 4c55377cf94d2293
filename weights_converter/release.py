"""The version of this package, as it stands in the files that it writes."""

from __future__ import annotations


def version() -> str:
    """Such as "0.1.0"; "unreleased" in a source tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer than all the rest

    try:
        return version("odconv")
    except PackageNotFoundError:
        return "unreleased"


def release() -> str:
    """Such as "odconv 0.1.0"."""
    return f"odconv {version()}"
