"""Metadata that tells of the arrays, and so is known after they have been written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property


class LateMetadata(Mapping[str, str]):
    """Made when a writer asks for it, which it does after the last array where it can.

    Args:
        make: makes it.
        draft: makes texts of the same names and lengths, for formats that have it first.
    """

    def __init__(
        self, make: Callable[[], Mapping[str, str]], draft: Callable[[], Mapping[str, str]]
    ) -> None:
        self._make, self._draft = make, draft

    def __getitem__(self, name: str) -> str:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    @cached_property
    def _made(self) -> Mapping[str, str]:
        return self._make()

    @staticmethod
    def draft_of(metadata: Mapping[str, str]) -> Mapping[str, str]:
        """Texts as long as those of `metadata`, whichever kind of mapping it is."""
        return metadata._draft() if isinstance(metadata, LateMetadata) else metadata
