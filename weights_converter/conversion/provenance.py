"""Where a converted file comes from, kept in the file itself or, where it has no place, beside it.

It travels as text under names that start with "odconv.": in the `__metadata__` of safetensors, the
attributes of HDF5, an entry of its own in the archives of torch and NumPy, and for `.pdparams`,
where `paddle.load` would trip over anything that is no array, in `NAME.manifest.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import DamagedError, RefusedError, UsageError, legible
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.strict_json import parsed

KEY = "odconv.provenance"
_EPOCH = "SOURCE_DATE_EPOCH"  # https://reproducible-builds.org/specs/source-date-epoch/


@dataclass(frozen=True)
class Provenance:
    """What is told of a conversion.

    Attributes:
        tool: the release that wrote the file.
        source: base name of the file that was read; folders are nobody's business.
        source_format: what it was.
        dtype: "keep", or what floats were cast to.
        source_sha256: of its bytes, None for a folder. Of an index, not of the files it names.
        dropped: names of arrays that have no counterpart.
        defaulted: names of arrays that the source did not have.
        sha256: canonical name -> digest of the array's little-endian bytes in canonical axes;
            empty where the conversion was not to be proven.
        created: only where SOURCE_DATE_EPOCH is set, so that equal inputs give equal files.
    """

    tool: str
    source: str
    source_format: str
    dtype: str
    source_sha256: str | None = None
    dropped: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    created: str | None = None

    @classmethod
    def told_by(cls, checkpoint: Checkpoint) -> Provenance | None:
        """What a file tells of itself, None if that is nothing.

        Raises:
            DamagedError: it tells what no conversion has written.
        """
        text = checkpoint.metadata.get(KEY)
        if text is None:
            return None
        try:
            fields = parsed(text.encode("utf-8", "surrogatepass"), _budget(checkpoint, text))
            told = cls(**fields)
            if not isinstance(told.source, str) or not all(
                isinstance(part, str) for pair in told.sha256.items() for part in pair
            ):
                raise ValueError("not text")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            name = legible(checkpoint.path.name)
            raise DamagedError(f"{name}: its metadata has an odd {KEY}") from error
        return told

    def text(self) -> str:
        """As JSON, the same for the same values."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def _budget(checkpoint: Checkpoint, text: str) -> Budget:
    def refused(fact: str) -> RefusedError:
        return RefusedError(f"{legible(checkpoint.path.name)} refused: {fact}")

    return Budget(len(text), refused)


def created() -> str | None:
    """The time that SOURCE_DATE_EPOCH tells. Raises UsageError where that is no time."""
    text = os.environ.get(_EPOCH)
    if text is None:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{_EPOCH}: expected seconds since 1970, found {legible(text)}") from error
