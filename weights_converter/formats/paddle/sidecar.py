"""What a `.pdparams` file has no place for, in `NAME.pdparams.manifest.json` beside it.

While a file and its sidecar are being replaced, the sidecar tells of both the old and the new file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from weights_converter.errors import FileError
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object

ENDING: Final = ".manifest.json"
FILES: Final = "odconv.files"  # SHA-256 of a file -> its texts, as JSON
_LONGEST: Final = 1 << 24  # bytes; that of a network of 1,000 arrays has 300,000


def sidecar(path: Path) -> Path:
    """The file beside `path` for what has no place in it."""
    return path.with_name(path.name + ENDING)


def read_sidecar(source: Source) -> dict[str, str]:
    """What the sidecar of a file tells of it, by name; nothing where there is none.

    A link to another folder counts as none: it may lead to a file that is nobody's business.

    Raises:
        DamagedError: it is no JSON object of texts.
        RefusedError: it is too long, or says something twice.
        FileError: it cannot be read.
    """
    beside = _beside(source)
    if beside is None:
        return {}
    if beside.size > _LONGEST:
        raise beside.refused(f"it has {beside.size} bytes")
    texts = _texts(beside, beside.read(0, beside.size))
    if FILES not in texts:
        return texts
    both = json_object(beside, texts[FILES].encode("utf-8", "surrogatepass"), FILES)
    own = both.get(source.sha256(), {})
    return _texts(beside, json.dumps(own).encode("utf-8"))


def _beside(source: Source) -> Source | None:
    path = sidecar(source.path)
    try:
        inside = path.resolve().parent == path.parent.resolve()
        return Source.at(path) if inside else None
    except (FileError, OSError, RuntimeError):  # RuntimeError: links that go round
        return None


def _texts(source: Source, raw: bytes) -> dict[str, str]:
    found = json_object(source, raw, "content")
    texts = {name: text for name, text in found.items() if isinstance(text, str)}
    if len(texts) < len(found):
        raise source.damaged("it is no object of texts")
    return texts
