"""How a family of formats names the files of a set, and what it writes into their index."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import ConverterError, UsageError, legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object

Groups: TypeAlias = Mapping[str, Sequence[TensorInfo]]  # name of a file -> the arrays in it


@dataclass(frozen=True)
class ShardFormat:
    """What a set of files looks like.

    Attributes:
        index_ending: of the index; what stands before it in the name is the set's stem.
        shard_name: makes a name of (stem with its token, number from 0, count).
        shard_pattern: what stands after the stem and the token in each of those.
        token_mark: joins the stem and the token that tells a set from the one that it replaces.
        index: makes the text of the index of the groups and the metadata.
        placeholder: writes a file for the first name of a set, which its framework opens even
            where the index does not list it; None where it does no such thing.
    """

    index_ending: str
    shard_name: Callable[[str, int, int], str]
    shard_pattern: str
    token_mark: str
    index: Callable[[Groups, Mapping[str, str]], str]
    placeholder: Callable[[Path], None] | None = None

    def stem(self, path: Path) -> str:
        """Raises UsageError where the name is not one of an index."""
        stem = path.name.removesuffix(self.index_ending)
        if stem in ("", path.name):
            raise UsageError(
                f"{legible(path.name)} is no index", f"its name must end in {self.index_ending}"
            )
        return stem

    def names(self, path: Path, token: str, count: int) -> list[str]:
        """Of the files beside the index `path`."""
        stem = self.stem(path) + (self.token_mark + token if token else "")
        return [self.shard_name(stem, number, count) for number in range(count)]

    def may_be_ours(self, path: Path, name: str) -> bool:
        """Whether `name` is one that this package gives to a file of the set `path`."""
        stem, mark = re.escape(self.stem(path)), re.escape(self.token_mark)
        return re.fullmatch(f"{stem}({mark}[0-9a-f]{{8}})?{self.shard_pattern}", name) is not None

    def listed(self, path: Path) -> set[str] | None:
        """The files that the index at `path` names: none without an index, None if it is odd."""
        if not path.exists():
            return set()
        try:
            source = Source.at(path)
            places = json_object(source, source.read(0, source.size), "index").get("weight_map")
        except ConverterError:
            return None
        if not isinstance(places, dict):
            return None
        files = [names if isinstance(names, list) else [names] for names in places.values()]
        return {name for names in files for name in names if isinstance(name, str)}
