"""JSON that says each thing once, and is charged to the budget before anything is made of it.

A text of brackets grows by a factor of thirty when it is parsed. So its brackets, commas and colons
are counted first, which bounds the objects that it can stand for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.source import Source

# What is counted as objects of the budget: an item has a key and a place in its dict.
_OF_A_CONTAINER: Final = 3
_OF_AN_ITEM: Final = 4
_COPIES: Final = 6  # of the text, of which some take four bytes for a character
_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

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
    bare = _TEXT.sub(b"", raw)
    counts = [bare.count(bracket) for bracket in (b"[", b"]", b"{", b"}")]
    if counts[0::2] != counts[1::2]:
        raise ValueError("its brackets do not match")
    items = _OF_AN_ITEM * bare.count(b":") + bare.count(b",")
    budget.charge_objects(_OF_A_CONTAINER * sum(counts) // 2 + items)
    try:
        # Given bytes, json would guess a codec and import it.
        return json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is deeply nested") from None
