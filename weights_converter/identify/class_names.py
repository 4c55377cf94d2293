"""The names of the classes, in the order of the logits, as a checkpoint carries them.

Converted files have them among their metadata, checkpoints of our trainings beside the arrays; both
as JSON, because metadata are text, and because every format keeps a text as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import DamagedError, RefusedError, legible
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.strict_json import parsed

KEY: Final = "odconv.class_names"  # of the metadata
TRAINED: Final = "class_names"  # of a training's checkpoint


def to_text(names: Sequence[str]) -> str:
    """The names as they are kept; `class_names_of` reads them.

    Example:
        >>> to_text(("cat", "dog"))
        '["cat", "dog"]'
    """
    return json.dumps(list(names))


def class_names_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names that a file tells, none where it tells none.

    Raises:
        DamagedError: what it tells are no names.
    """
    text = checkpoint.metadata.get(KEY)
    if text is None and "odconv" in checkpoint.scalars:  # not another script's "class_names"
        found = checkpoint.scalars.get(TRAINED)
        text = None if found is None else str(found)
    return names_in(text, legible(checkpoint.path.name))


def names_in(text: str | None, file: str) -> tuple[str, ...]:
    """The names of a text as `to_text` makes it, none of no text; `file` is where it is from.

    Raises:
        DamagedError: they are no names.
    """
    if text is None:
        return ()

    def refused(fact: str) -> RefusedError:
        return RefusedError(f"{file} refused: {fact}")

    try:
        names = parsed(text.encode("utf-8", "surrogatepass"), Budget(len(text), refused))
    except ValueError as error:
        raise DamagedError(f"{file}: its class names are not JSON") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DamagedError(
            f"{file}: expected a list of texts as its class names, found {legible(text)}"
        )
    return tuple(names)
