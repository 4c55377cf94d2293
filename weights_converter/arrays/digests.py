"""SHA-256 of arrays and of files, computed in another thread while this one reads on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import FileError, legible
from weights_converter.formats.files.open_files import kept_open

DRAFT = "0" * 64  # as long as every digest
_MOST_WAITING = 24 << 20  # bytes of arrays that are kept for the other thread
_SMALL = 1 << 18  # bytes that are hashed sooner than another thread takes them over
_CHUNK = 1 << 22  # bytes


def digest(array: Array) -> str:
    """Of the bytes of a C-contiguous array, little-endian: `sha256(array.tobytes())`."""
    flat = array.reshape(-1)
    return hashlib.sha256(flat.data if flat.size else b"").hexdigest()


def _digest_of_only(holder: list[Array]) -> str:
    """The digest of what the list holds, which nobody holds afterwards."""
    return digest(holder.pop())


def digests_of(tensors: Iterable[Tensor]) -> dict[str, str]:
    """Name -> digest of each; loads one after the other."""
    with Digests() as digests, kept_open():
        for tensor in tensors:
            digests.settle()
            digests.add(tensor.name, tensor.load())
        return digests.by_name()


class Digests(AbstractContextManager["Digests"]):
    """Digests of arrays by name, of which few wait to be computed."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._found: dict[str, str] = {}
        self._futures: dict[str, Future[str]] = {}
        self._waiting: list[tuple[Future[str], int]] = []

    def add(self, name: str, array: Array) -> None:
        """Takes the array, which must not change any more."""
        if array.nbytes < _SMALL:
            self._found[name] = digest(array)
            return
        # The pool keeps the arguments of a call until after its result is known.
        future = self._pool.submit(_digest_of_only, [array])
        self._futures[name] = future
        self._waiting.append((future, array.nbytes))

    def settle(self) -> None:
        """Waits until the arrays that are still in memory are small: call it before reading on."""
        self._waiting = [(future, size) for future, size in self._waiting if not future.done()]
        while sum(size for _, size in self._waiting) > _MOST_WAITING:
            self._waiting.pop(0)[0].result()

    def by_name(self) -> dict[str, str]:
        return self._found | {name: future.result() for name, future in self._futures.items()}

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __exit__(self, *error: object) -> None:
        self.close()


class FileDigest(AbstractContextManager["FileDigest"]):
    """The digest of a whole file, None for a folder. Leaving the block stops the reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = Event()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(self._read)

    def result(self) -> str | None:
        """Waits for it. Raises FileError where the file cannot be read."""
        try:
            return self._future.result()
        except OSError as error:
            reason = error.strerror or str(error)
            raise FileError(f"cannot read {legible(self._path.name)}: {reason}") from error

    def draft(self) -> str | None:
        """What is as long as the result, before it is known."""
        return DRAFT if self._path.is_file() else None

    def _read(self) -> str | None:
        if not self._path.is_file():  # nor is a pipe read, which would wait for its writer
            return None
        digest = hashlib.sha256()
        piece = bytearray(_CHUNK)
        with self._path.open("rb", buffering=0) as handle:
            while (count := handle.readinto(piece)) and not self._stopped.is_set():
                digest.update(memoryview(piece)[:count])
        return digest.hexdigest()

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._pool.shutdown()
