"""What a checkpoint holds, read by the converter and by its format's own reader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
from safetensors.numpy import load_file

from weights_converter import inspect


def read(path: Path) -> dict[str, bytes]:
    """Stored name -> bytes, and what the file tells of itself.

    Raises ValueError where the converter and the format's own reader find different arrays.
    """
    checkpoint = inspect(path).checkpoint
    found = {name: tensor.load().tobytes() for name, tensor in checkpoint.tensors.items()}
    foreign = _foreign(path)
    if foreign is not None and foreign != found:
        raise ValueError(
            f"the converter and the format's own reader differ: {mixture(foreign, found, found)}"
        )
    told = json.dumps(dict(checkpoint.metadata), sort_keys=True).encode()
    return {**found, "metadata": told}


def _foreign(path: Path) -> dict[str, bytes] | None:
    if path.name.endswith(".safetensors.index.json"):
        listed = json.loads(path.read_text())["weight_map"]
        files = {name: load_file(path.with_name(name)) for name in set(listed.values())}
        return {name: files[file][name].tobytes() for name, file in listed.items()}
    if path.name.endswith(".weights.json"):
        first = f"{path.name.removesuffix('.weights.json')}_00000.weights.h5"
        with h5py.File(path.with_name(first)):  # as Keras does before it reads the index
            pass
        found: dict[str, bytes] = {}
        for group, files in json.loads(path.read_text())["weight_map"].items():
            for file in [files] if isinstance(files, str) else files:
                with h5py.File(path.with_name(file)) as opened:
                    for number, array in opened[group].items():
                        found[f"{group.lstrip('/')}/{number}"] = array[()].tobytes()
        return found
    if path.suffix == ".safetensors":
        return {name: array.tobytes() for name, array in load_file(path).items()}
    return None


def mixture(stands, old, new) -> str:
    if stands is None:
        return "nothing stands there"

    def equal(other):
        return sum(stands.get(n) == b for n, b in other.items() if n != "metadata")

    told = [
        w for w, o in (("old", old), ("new", new)) if o and o["metadata"] == stands.get("metadata")
    ]
    return (
        f"{equal(old) if old else 0} arrays of the old, {equal(new)} of the new, metadata of {told}"
    )


def digests(folder: Path) -> dict[str, str]:
    """Of every file, by name; of a link, of where it leads."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }
