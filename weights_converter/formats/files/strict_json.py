"""JSON that says each thing once, as headers and indexes of safetensors must."""

from __future__ import annotations

import json

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.files.source import Source


def json_object(source: Source, raw: bytes, what: str) -> dict[str, object]:
    """The object that `raw` is; `what` it is called in messages.

    Raises:
        RefusedError: a name is given twice, which readers understand in different ways.
        DamagedError: it is not JSON, or not an object.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice = repeated(key for key, _ in pairs)
        if twice is not None:
            raise source.refused(f"its {what} has {legible(twice)} twice")
        return dict(pairs)

    try:
        content = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except ConverterError:
        raise
    except (ValueError, RecursionError):
        raise source.damaged(f"its {what} is not JSON") from None
    if type(content) is not dict:
        raise source.damaged(f"its {what} is not a JSON object")
    return content
