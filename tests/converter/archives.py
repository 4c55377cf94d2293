"""`.keras` archives and sharded weights for the tests, made without Keras."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np

WEIGHTS = "model.weights.h5"
KERNEL = np.arange(12, dtype="f4").reshape(3, 4)
# A layer whose configuration Keras would run; what is after it is not even JSON.
LAMBDA = json.dumps({"class_name": "Lambda", "config": {"function": ["__import__('os')"]}}) + "}{"


def weights(**arrays: np.ndarray) -> bytes:
    """A `.weights.h5` with these arrays, by default one of (3, 4) in layers/dense."""
    handle = io.BytesIO()
    with h5py.File(handle, "w") as file:
        for name, array in (arrays or {"dense": KERNEL}).items():
            file[f"layers/{name}/vars/0"] = array
    return handle.getvalue()


def archive(
    path: Path,
    content: bytes | None = None,
    method: int = zipfile.ZIP_STORED,
    extra: tuple[tuple[str, bytes], ...] = (),
) -> Path:
    """A `.keras` with these weights."""
    entries = [("metadata.json", b"{}"), ("config.json", LAMBDA.encode())]
    entries += [(WEIGHTS, weights() if content is None else content), *extra]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as file:
        warnings.simplefilter("ignore")  # about names given twice
        for name, raw in entries:
            file.writestr(name, raw)
    return path


def sharded(folder: Path, weight_map: object, **files: bytes) -> Path:
    """An index and files called NAME.weights.h5."""
    for name, content in files.items():
        (folder / f"{name}.weights.h5").write_bytes(content)
    index = {"metadata": {"total_size": 48.0}, "weight_map": weight_map}
    path = folder / "x.weights.json"
    path.write_text(json.dumps(index))
    return path
