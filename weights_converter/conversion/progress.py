"""What shows how far a conversion is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A bar of tqdm, or what has the same two methods."""

    def reset(self, total: float | None = None) -> object:
        """Starts to count up to `total` arrays, each of which counts once for each reading."""

    def update(self) -> object:
        """One more array is written, or read back."""
