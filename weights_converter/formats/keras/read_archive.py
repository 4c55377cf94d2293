"""Reads the weights of a `.keras` archive in place, and nothing else of it.

The archive's `config.json` can name code that runs when a model is made of it; it stays unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.formats.archives.zip_content import check_sum, content
from weights_converter.formats.archives.zip_read import Entry, directory, without_folder
from weights_converter.formats.archives.zip_records import STORED
from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.file import Hdf5
from weights_converter.formats.hdf5.window import Memory, Window
from weights_converter.formats.keras.read import read_hdf5

WEIGHTS = "model.weights.h5"
# What a training of ours adds, under the names that it has in the other frameworks' files.
_ADDED: Final[Mapping[str, str]] = {"odconv.json": "odconv", "class_names.json": "class_names"}
_LONGEST = 1 << 20  # bytes
_MOST_INFLATED = 1 << 26  # bytes; HDF5 jumps about in its file, which a deflated stream cannot


def read_archive(source: Source, key: str | None) -> Checkpoint:
    """Every array of the layers; an array's name is its path in the HDF5 file inside.

    Raises:
        RefusedError: the archive is not as Keras writes it, or its weights are refused.
        DamagedError: the archive or the weights are damaged.
    """
    source.refuse_key(key)
    entries = without_folder(source, directory(source))
    entry = entries.get(WEIGHTS)
    if entry is None:
        raise source.unsupported(
            f"is an archive without {WEIGHTS}", "load it in Keras and model.save('name.keras')"
        )
    found = read_hdf5(_inside(source, entry), "keras")
    return replace(found, scalars={**found.scalars, **_added(source, entries)})


def _added(source: Source, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Raises DamagedError where a text is not one, RefusedError where it is too long."""
    texts = {}
    for name in filter(entries.__contains__, _ADDED):
        entry = entries[name]
        if entry.size > _LONGEST:
            raise source.refused(f"its {name} has {entry.size} bytes")
        source.budget.charge_objects(1, text=entry.size)
        try:
            texts[_ADDED[name]] = content(source, name, entry).tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise source.damaged(f"its {name} is not text") from error
    return texts


def _inside(source: Source, entry: Entry) -> Hdf5:
    if entry.method == STORED:
        check_sum(source, WEIGHTS, entry)
        return Hdf5(source, entry.size, lambda handle: Window(handle, entry.data, entry.size))
    if entry.size > _MOST_INFLATED:
        raise source.unsupported(
            f"has its weights compressed, which Keras does not do, to {entry.stored} bytes",
            f"unzip it and take {WEIGHTS}",
        )
    inflated = content(source, WEIGHTS, entry)
    return Hdf5(source, entry.size, lambda handle: Memory(inflated.data))
