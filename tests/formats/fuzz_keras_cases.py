"""Damaged files of Keras and TensorFlow without end: each kind in turn, each damaged anew."""

from __future__ import annotations

import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tests.converter.bundles import VALUE, Bundle, table
from tests.converter.crafted import every_dtype
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.formats import write, write_shards

_WORDS = (0, 1, 0xFF, 0x7F, 0x80, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1)


@dataclass(frozen=True)
class Case:
    """Files of one folder, and the one to read."""

    label: str
    files: dict[str, bytes]
    entry: str

    def read(self, folder: Path, reader: Callable[[Path], Checkpoint]) -> Checkpoint:
        """Every array of it. Raises whatever the reader raises."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        checkpoint = reader(folder / self.entry)
        for tensor in checkpoint.tensors.values():
            tensor.read()
        return checkpoint


def cases(rng: random.Random) -> Iterator[Case]:
    """One damaged file after the other, of each kind in turn."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = [*_plain_kinds(Path(folder)), *_sharded_kinds(Path(folder))]
    kinds += [*_archive_kinds(kinds[0].files[kinds[0].entry]), *_bundle_kinds()]
    while True:
        for kind in kinds:
            yield kind.damaged(rng)


@dataclass(frozen=True)
class _Kind:
    label: str
    files: dict[str, bytes]
    entry: str
    target: str  # the file to damage
    repaired: Callable[[bytes], bytes] = bytes  # what puts the checksums right

    def damaged(self, rng: random.Random) -> Case:
        content = self.repaired(mutated(self.files[self.target], rng))
        return Case(self.label, self.files | {self.target: content}, self.entry)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bits, numbers, whole stretches; most of all one place of the file put into another."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(max(1, len(raw)))
        kind = rng.randrange(6)
        if kind == 0 and raw:
            raw[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            width = rng.choice((1, 2, 4, 8))
            word = rng.choice(_WORDS) & ((1 << 8 * width) - 1)
            raw[place : place + width] = word.to_bytes(width, "little")
        elif kind == 2:
            start, target = (rng.randrange(max(1, len(raw) // 8)) * 8 for _ in range(2))
            raw[target : target + 8] = raw[start : start + 8]
        elif kind == 3:
            start, length = rng.randrange(max(1, len(raw))), rng.randrange(1, 64)
            raw[place : place + length] = raw[start : start + length]
        elif kind == 4:
            del raw[place : place + rng.randrange(1, 16)]
        else:
            del raw[rng.randrange(len(raw) // 2, len(raw) + 1) :]
    return bytes(raw)


def _plain_kinds(folder: Path) -> Iterator[_Kind]:
    for label, make in (
        ("keras-h5", _by_us),
        ("keras-h5 latest", _latest),
        ("keras-h5 compressed", _compressed),
        ("keras-legacy", _legacy),
    ):
        make(folder / "x.h5")
        yield _Kind(label, {"x.h5": (folder / "x.h5").read_bytes()}, "x.h5", "x.h5")


def _tensors() -> list[Tensor]:
    return [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]


def _by_us(path: Path) -> None:
    write(path, "keras-h5", _tensors(), {"a": "1"}, overwrite=True)


def _latest(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for name, array in every_dtype().items():
            file[f"layers/{name}/vars/0"] = array
        file.attrs["text"] = "yes"


def _compressed(path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 4, (60, 50)).astype("f4")
    with h5py.File(path, "w") as file:
        for name, chunks in (("a", (16, 16)), ("b", (60, 50))):
            options = {"compression": "gzip", "shuffle": True, "fletcher32": name == "a"}
            file.create_dataset(f"{name}/vars/0", data=array, chunks=chunks, **options)


def _legacy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        model = file.create_group("model_weights")
        model.attrs["layer_names"] = [b"dense", b"bn"]
        for layer, arrays in (("dense", ("kernel:0", "bias:0")), ("bn", ("gamma:0",))):
            group = model.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in arrays]
            for name in arrays:
                group[f"{layer}/{name}"] = np.ones((3, 2), "f4")
        file.attrs["model_config"] = "{}" * 200


def _sharded_kinds(folder: Path) -> Iterator[_Kind]:
    index = folder / "x.weights.json"
    *shards, _ = write_shards(index, _tensors(), {"a": "1"}, 9000)
    files = {path.name: path.read_bytes() for path in (index, *shards)}
    for label, target in (("keras-index", index.name), ("keras-index shard", shards[0].name)):
        yield _Kind(label, files, index.name, target)


def _archive_kinds(weights: bytes) -> Iterator[_Kind]:
    def zipped(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
        handle = io.BytesIO()
        with zipfile.ZipFile(handle, "w", compression) as archive:
            archive.writestr("config.json", json.dumps({"class_name": "Lambda"}))
            archive.writestr("model.weights.h5", content)
        return handle.getvalue()

    def deflated(content: bytes) -> bytes:
        return zipped(content, zipfile.ZIP_DEFLATED)

    for label, whole in (("keras", zipped), ("keras deflated", deflated)):
        yield _Kind(f"{label} outside", {"x": whole(weights)}, "x", "x")
        yield _Kind(f"{label} inside", {"x": weights}, "x", "x", whole)


def _bundle_kinds() -> Iterator[_Kind]:
    bundle = Bundle()
    for name, array in every_dtype().items():
        bundle.add(f"layer/{name}{VALUE}", array)
    bundle.add_graph({f"layer/float32{VALUE}": "layer/kernel"})
    files = bundle.files()
    for name in files:
        yield _Kind(f"tensorflow {name}", files, "x.index", name)
    entries = files | {"x.index": bundle.content()}
    yield _Kind("tensorflow entries", entries, "x.index", "x.index", table)
