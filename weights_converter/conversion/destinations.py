"""Where a conversion writes: which format, whose axes, one file or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from weights_converter import formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.conversion.provenance import remove_sidecar, sidecar, write_sidecar
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.formats.files.atomic import check_destination
from weights_converter.formats.keras.write_shards import INDEX_ENDING as KERAS_INDEX
from weights_converter.formats.keras.write_shards import write_keras_shards
from weights_converter.formats.safetensors.write_shards import INDEX_ENDING as SAFETENSORS_INDEX
from weights_converter.formats.safetensors.write_shards import write_shards

LAYOUT_OF_FORMAT: Mapping[str, str] = MappingProxyType(
    {
        "torch": "torch",
        "safetensors": "torch",
        "safetensors-index": "torch",
        "npz": "torch",
        "pdparams": "paddle",
        "keras-h5": "keras",
        "keras-index": "keras",
    }
)
# Format of one file -> format, and name's ending, of several with an index.
_INDEX_OF = MappingProxyType(
    {
        "safetensors": ("safetensors-index", ".safetensors", SAFETENSORS_INDEX),
        "keras-h5": ("keras-index", ".weights.h5", KERAS_INDEX),
    }
)
_SHARD_WRITERS = MappingProxyType(
    {"safetensors-index": write_shards, "keras-index": write_keras_shards}
)
_WITHOUT_METADATA = frozenset({"pdparams"})
# Where the metadata of each file must be known before its arrays are written.
_METADATA_FIRST = frozenset(_SHARD_WRITERS)


@dataclass(frozen=True)
class Destination:
    """What is written.

    Attributes:
        path: the file; of several, their index.
        format: of the file or the index.
        most_bytes: what the arrays of one file may take together, None for one file.
        overwrite: whether files may be replaced.
    """

    path: Path
    format: str
    most_bytes: int | None
    overwrite: bool

    @classmethod
    def of(cls, path: str | Path, most_bytes: int | None, overwrite: bool) -> Destination:
        """What `path` and the size ask for.

        Raises:
            UsageError: no format has the path's extension, or its format has no index.
        """
        path = Path(path)
        if most_bytes is None:
            _refuse_index(path)
            return cls(path, formats.format_of(path), None, overwrite)
        if most_bytes <= 0:
            raise UsageError(f"expected a size above 0 for each file, received {most_bytes}")
        for format, ending, index_ending in _INDEX_OF.values():
            if path.name.endswith(index_ending):
                return cls(path, format, most_bytes, overwrite)
            if path.name.endswith(ending):
                index = path.with_name(path.name.removesuffix(ending) + index_ending)
                return cls(index, format, most_bytes, overwrite)
        endings = " or ".join(ending for _, ending, _ in _INDEX_OF.values())
        raise UsageError(
            f"{legible(path.name)}: this format cannot be written as several files",
            help=f"use {endings}, or drop --max-shard-size",
        )

    @property
    def layout(self) -> str:
        return LAYOUT_OF_FORMAT[self.format]

    @property
    def has_sidecar(self) -> bool:
        return self.format in _WITHOUT_METADATA

    @property
    def metadata_first(self) -> bool:
        return self.format in _METADATA_FIRST

    def check(self, source: Path) -> None:
        """Raises UsageError if it is the source, FileError if nothing may be written there."""
        for path in self._names():
            if _same_file(source, path):
                raise UsageError(
                    f"{legible(path.name)} is the source itself", help="write to another name"
                )
            check_destination(path, self.overwrite)

    def write(
        self,
        tensors: Iterable[Tensor],
        metadata: Mapping[str, str],
        proof: Callable[[Path], object],
    ) -> tuple[Path, ...]:
        """Writes all of it, `proof` being called before the file takes its place; the files."""
        if self.most_bytes is not None:
            writer = _SHARD_WRITERS[self.format]
            files = writer(self.path, tensors, metadata, self.most_bytes, self.overwrite, proof)
            return (*files, self.path)
        if not self.has_sidecar:
            formats.write(self.path, self.format, tensors, metadata, self.overwrite, proof)
            return (self.path,)

        def proven(part: Path) -> None:
            proof(part)
            remove_sidecar(self.path)  # the old one tells of the file that goes now

        formats.write(self.path, self.format, tensors, metadata, self.overwrite, proven)
        write_sidecar(self.path, metadata)
        return self.path, sidecar(self.path)

    def _names(self) -> tuple[Path, ...]:
        return (self.path, sidecar(self.path)) if self.has_sidecar else (self.path,)


def _refuse_index(path: Path) -> None:
    for _, _, ending in _INDEX_OF.values():
        if path.name.endswith(ending):
            raise UsageError(
                f"{legible(path.name)} is an index of several files",
                help="say how large each may be: --max-shard-size 2GB",
            )


def _same_file(src: Path, dst: Path) -> bool:
    try:
        return src.exists() and dst.exists() and src.samefile(dst)
    except (OSError, ValueError) as error:  # such as a name that is too long, or a NUL in it
        raise FileError(f"{legible(str(dst))}: {error}") from error
