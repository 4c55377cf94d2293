"""A file and its sidecar, which tells of it what has no place in the file itself.

Two files cannot be replaced at one instant. So while they are, the sidecar tells of both the old
and the new file, by their SHA-256; `formats.paddle.sidecar` takes what belongs to the file that is
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import ConverterError
from weights_converter.formats.destinations.single import SingleFile
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.part import folder_lock
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.sidecar import FILES, read_sidecar, sidecar


class FileWithSidecar:
    """A file of a format that holds nothing but arrays.

    Args:
        file: where the arrays go.
        path: where it will be.
        overwrite: whether it, and its sidecar, may replace others.
        mode: permissions of the sidecar, before the user's umask.
    """

    def __init__(self, file: SingleFile, path: Path, overwrite: bool, mode: int) -> None:
        self._file, self._path, self._overwrite, self._mode = file, path, overwrite, mode
        self._part, self._metadata = path, dict[str, str]()
        self._own_sidecar = 0  # its number in the file system

    def add(self, tensor: TensorInfo, array: Array) -> None:
        """Writes the next array."""
        self._file.add(tensor, array)

    def close(self, metadata: Mapping[str, str]) -> Path:
        """Completes the file, which can be read at the path that is returned."""
        self._part, self._metadata = self._file.close(metadata), dict(metadata)
        return self._part

    def place(self) -> tuple[Path, ...]:
        """Puts both into their places. Returns what was written."""
        with folder_lock(self._path.parent):
            return self._place()

    def discard(self) -> None:
        """Removes what has no place by now."""
        self._file.discard()

    def _place(self) -> tuple[Path, ...]:
        beside = sidecar(self._path)
        before = beside.read_bytes() if self._overwrite and beside.is_file() else None
        if before is None and not self._metadata:
            return self._file.place()
        replaced = self._overwrite and self._path.is_file()
        number = self._part.stat().st_ino
        try:
            self._write_sidecar(self._both() if replaced else self._metadata, self._overwrite)
            self._file.place()
        finally:
            if self._path.is_file() and self._path.stat().st_ino == number:
                self._tidy(replaced)
            else:
                self._restore(before)
        return self._path, beside

    def _tidy(self, replaced: bool) -> None:
        """Leaves the new file's texts alone in the sidecar, which is right as it is, too."""
        if replaced:
            with suppress(OSError, ConverterError):
                self._write_sidecar(self._metadata, overwrite=True)

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
            self._own_sidecar = part.stat().st_ino

    def _restore(self, before: bytes | None) -> None:
        """Puts the old sidecar back, if this run has put its own there."""
        beside = sidecar(self._path)
        with suppress(OSError, ConverterError):  # the first error is the one to report
            if not self._own_sidecar or beside.stat().st_ino != self._own_sidecar:
                return
            if before is None:
                beside.unlink()
            else:
                with replacing(beside, True, self._mode) as part:
                    part.write_bytes(before)
