"""The keys of dicts, which a file must not choose so that their hashes collide.

A dict of numbers with equal hashes takes quadratic time: 40,000 of them half a minute. Text and
bytes are hashed with a secret. Small numbers are too few to do harm. Of other numbers a file has
some that are keys; any more, and whatever else is a key, such as a tuple, is a key of its own that
is found by nobody. No array is under such a key: arrays have names.
"""

from __future__ import annotations

from typing import Final

from weights_converter.formats.pickles.values import OddKey

_SMALL: Final = 1 << 15
_MOST_NUMBERS: Final = 1 << 10
_HASHED_SAFELY: Final = (str, bytes, bool, type(None))


class Keys:
    """What the keys of all dicts of a pickle become."""

    def __init__(self) -> None:
        self._numbers = 0

    def kept(self, key: object) -> object:
        """`key`, or what stands for it."""
        if type(key) in _HASHED_SAFELY or (type(key) is int and -_SMALL < key < _SMALL):
            return key
        if type(key) in (int, float) and self._numbers < _MOST_NUMBERS:
            self._numbers += 1
            return key
        return OddKey(key)
