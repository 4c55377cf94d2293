"""A file and its sidecar, which tells of it what has no place in the file itself.

Two files cannot be replaced at one instant. So while they are, the sidecar tells of both the old
and the new file, by their SHA-256; `formats.paddle.sidecar` takes what belongs to the file that is
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import ConverterError
from weights_converter.formats.destinations.single import SingleFile
from weights_converter.formats.destinations.writer import MakeWriter
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.sidecar import FILES, read_sidecar, sidecar


class FileWithSidecar:
    """A file of a format that holds nothing but arrays; the arguments are those of `SingleFile`."""

    def __init__(
        self,
        path: Path,
        make: MakeWriter,
        tensors: Sequence[TensorInfo],
        draft: Mapping[str, str],
        overwrite: bool,
        mode: int,
    ) -> None:
        self._path, self._overwrite, self._mode = path, overwrite, mode
        self._file = SingleFile(path, make, tensors, draft, overwrite, mode)
        self._part, self._metadata = path, dict(draft)
        self._before: bytes | None = None  # what the sidecar was

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array."""
        self._file.add(tensor, array)

    def close(self, metadata: Mapping[str, str]) -> Path:
        """Completes the file, which can be read at the path that is returned."""
        self._part, self._metadata = self._file.close(metadata), dict(metadata)
        return self._part

    def place(self) -> tuple[Path, ...]:
        """Puts both into their places. Returns what was written."""
        beside = sidecar(self._path)
        self._before = beside.read_bytes() if self._overwrite and beside.is_file() else None
        if self._before is None and not self._metadata:
            return self._file.place()
        replaced = self._overwrite and self._path.is_file()
        try:
            self._write_sidecar(self._both() if replaced else self._metadata, self._overwrite)
            self._file.place()
        except BaseException:
            self._restore()
            raise
        if replaced:
            self._write_sidecar(self._metadata, overwrite=True)
        return self._path, beside

    def discard(self) -> None:
        """Removes what has no place by now."""
        self._file.discard()

    def _both(self) -> dict[str, str]:
        old, new = Source.at(self._path), Source.at(self._part)
        try:
            told = dict(read_sidecar(old))
        except ConverterError:  # it is damaged, and goes
            told = {}
        return {FILES: json.dumps({old.sha256(): told, new.sha256(): self._metadata})}

    def _write_sidecar(self, metadata: Mapping[str, str], overwrite: bool) -> None:
        with replacing(sidecar(self._path), overwrite, self._mode) as part:
            text = json.dumps(dict(metadata), sort_keys=True, indent=1)
            part.write_text(text + "\n", encoding="utf-8")

    def _restore(self) -> None:
        beside = sidecar(self._path)
        with suppress(OSError, ConverterError):  # the first error is the one to report
            if self._before is None:
                beside.unlink()
            else:
                with replacing(beside, True, self._mode) as part:
                    part.write_bytes(self._before)
