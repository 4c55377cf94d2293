"""Metadata of files whose format has no place for any: a JSON file beside them.

In a folder of TensorFlow it stands where TensorFlow leaves files of others alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def path_beside(path: Path) -> Path:
    """Where the metadata of the file or folder at `path` stand."""
    if path.is_dir():
        return path / "assets.extra" / "odconv.json"
    return path.with_name(f"{path.name}.json")


def write_beside(path: Path, metadata: Mapping[str, str]) -> None:
    """Writes the metadata of a file or folder that exists."""
    place = path_beside(path)
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(dict(metadata), indent=1) + "\n", encoding="utf-8")


def read_beside(path: Path) -> dict[str, str]:
    """The metadata of a file or folder; none where it came alone, or has something else beside."""
    try:
        found = json.loads(path_beside(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
