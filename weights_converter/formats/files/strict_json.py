"""JSON that says each thing once, and is charged to the budget before anything is made of it.

A text of brackets grows by a factor of thirty when it is parsed. So its brackets, commas and colons
are counted first, which bounds the objects that it can stand for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.source import CHUNK, Source

# What is counted as objects of the budget: an item has a key and a place in its dict.
_OF_A_CONTAINER: Final = 3
_OF_AN_ITEM: Final = 4
_OF_AN_ESCAPE: Final = 2
_COPIES: Final = 6  # of the text, of which some take four bytes for a character

Pairs = list[tuple[str, object]]


def json_object(
    source: Source, raw: bytes, what: str, budget: Budget | None = None
) -> dict[str, Any]:
    """The object that `raw` is.

    Args:
        source: for messages, and its budget is charged.
        raw: the text, in UTF-8.
        what: it is called in messages.
        budget: is charged instead, where several files have one.

    Raises:
        RefusedError: a name is given twice, which readers understand in different ways, or the
            text stands for more objects than the budget has.
        DamagedError: it is not JSON, or not an object.
    """

    def unique(pairs: Pairs) -> dict[str, object]:
        twice = repeated(key for key, _ in pairs)
        if twice is not None:
            raise source.refused(f"its {what} has {legible(twice)} twice")
        return dict(pairs)

    try:
        content = parsed(raw, budget or source.budget, unique)
    except ConverterError:
        raise
    except ValueError:
        raise source.damaged(f"its {what} is not JSON") from None
    if type(content) is not dict:
        raise source.damaged(f"its {what} is not a JSON object")
    return content


def parsed(raw: bytes, budget: Budget, pairs: Callable[[Pairs], object] | None = None) -> Any:
    """The value that the text `raw` in UTF-8 stands for.

    Args:
        raw: the text.
        budget: is charged before.
        pairs: makes an object of its items; None makes a dict.

    Raises:
        RefusedError: the budget is spent.
        ValueError: it is not JSON, or deeply nested.

    Example:
        >>> from weights_converter.errors import RefusedError
        >>> parsed(b'{"a": [1, 2]}', Budget(13, RefusedError))
        {'a': [1, 2]}
    """
    budget.charge_objects(0, text=_COPIES * len(raw))
    counts = _counts_outside_texts(raw)
    opened, closed = (sum(counts[ord(c)] for c in pair) for pair in ("[{", "]}"))
    if opened != closed:
        raise ValueError("its brackets do not match")
    items = _OF_AN_ITEM * counts[ord(":")] + counts[ord(",")]
    budget.charge_objects(_OF_A_CONTAINER * opened + items + _OF_AN_ESCAPE * raw.count(b"\\"))
    try:
        # Given bytes, json would guess a codec and import it.
        return json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is deeply nested") from None


def _counts_outside_texts(raw: bytes) -> list[int]:
    """How often each byte stands there. Every other quote that is not escaped opens a text."""
    plain = np.frombuffer(raw.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    counts, odd = np.zeros(256, np.int64), 0
    for begin in range(0, plain.size, CHUNK):
        chunk = plain[begin : begin + CHUNK]
        inside = (np.cumsum(chunk == ord('"'), dtype=np.uint32) + odd) % 2
        counts += np.bincount(chunk[inside == 0], minlength=256)
        odd = int(inside[-1])
    return [int(count) for count in counts]
