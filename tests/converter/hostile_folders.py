"""Attacks by files of Keras and TensorFlow, and the error that each must meet."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

from tests.converter.archives import archive, sharded, weights
from tests.converter.bundles import VALUE, Bundle, entries, header, table
from tests.converter.crafted import every_dtype


def fill_keras(folder: Path, canary: Path) -> dict[str, str]:
    (canary.parent / "canary.h5").write_bytes(weights())
    with h5py.File(folder / "linked.weights.h5", "w") as file:
        file["a/vars/0"] = h5py.ExternalLink(str(canary.parent / "canary.h5"), "/layers")
    with h5py.File(folder / "stored.weights.h5", "w") as file:
        outside = [(str(canary.parent / "canary.h5"), 0, 16)]
        file.create_dataset("a/vars/0", (4,), "f4", external=outside)
    with h5py.File(folder / "legacy.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file["a/kernel:0"] = np.ones(2)
        file["a"].attrs["weight_names"] = [b"kernel:0"]
    # Its configuration is a lambda and no JSON.
    archive(folder / "lambda.keras")
    archive(folder / "deflated.keras", method=zipfile.ZIP_DEFLATED)
    archive(folder / "bomb.keras", bytes(100 << 20), zipfile.ZIP_DEFLATED)
    inflating = zlib.compress(bytes(400 << 20))
    with h5py.File(folder / "inflating.weights.h5", "w") as file:
        dataset = file.create_dataset("a/vars/0", (99,), "f4", chunks=(99,), compression="gzip")
        dataset.id.write_direct_chunk((0,), inflating)
    sharded(folder, {"/layers/dense/vars": "shard.weights.h5"}, shard=weights())
    (folder / "out.json").write_text('{"weight_map": {"/a/vars": "../canary.weights.h5"}}')
    refused = ("linked.weights.h5", "stored.weights.h5", "bomb.keras", "inflating.weights.h5")
    fine = ("legacy.h5", "lambda.keras", "deflated.keras", "x.weights.json", "shard.weights.h5")
    outcomes = dict.fromkeys((*refused, "out.json"), "RefusedError") | dict.fromkeys(fine, "read")
    return outcomes


def fill_tensorflow(folder: Path) -> dict[str, str]:
    bundle = Bundle()
    for name, array in every_dtype().items():
        bundle.add(f"{name}{VALUE}", array)
    shared = Bundle().add(f"a{VALUE}", np.zeros(1 << 12))
    for i in range(10_000):
        shared.pairs.append((f"b{i:04}{VALUE}".encode(), shared.pairs[0][1]))
    files = bundle.files("tf") | shared.files("many")
    # A name of four kilobytes, and a hundred thousand that share it.
    step = b"".join(b"\xf0\x1f\x03\x01%03db" % (i % 1000) for i in range(100_000))
    files["names.index"] = table(entries([(b"", header()), (b"x" * 4096, b"a")]) + step)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {
        "tf.index": "read",
        "tf.data-00000-of-00001": "read",
        "many.index": "RefusedError",
        "many.data-00000-of-00001": "RefusedError",
        "names.index": "DamagedError",
    }
