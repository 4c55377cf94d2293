"""Reads TensorFlow checkpoints and the variables of a SavedModel: `.index` and `.data-...` files.

They are for networks of `odconv_keras` that were kept by `model.export`, `tf.saved_model.save` or
`tf.train.Checkpoint`, and for the checkpoints that the authors of CondConv published. The graph of
a SavedModel, which is a program, is not opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from weights_converter.arrays.dtypes import Array, decode
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import ConverterError, DamagedError, legible
from weights_converter.formats.files.array_names import check_name, repeated
from weights_converter.formats.files.protobuf import varint
from weights_converter.formats.files.source import Source
from weights_converter.formats.tensorflow.bundle import STRING, TAGS, Bundle, Entry, read_bundle
from weights_converter.formats.tensorflow.crc32c import masked_crc32c
from weights_converter.formats.tensorflow.names import GRAPH, full_names, variable_names

FORMAT = "tensorflow"
INDEX_ENDING = ".index"
_LONGEST_GRAPH = 1 << 22
_COPIES = 4  # of the graph, which the budget is charged for
_LENGTH_SUM = 4  # bytes of the checksum of a text's length


def read_tensorflow(source: Source, key: str | None) -> Checkpoint:
    """Every variable of the model, by its own name with dots, or else by its path.

    Args:
        source: The `.index` file; the files of data are beside it.

    Raises:
        FileError: a file of data is missing.
        RefusedError: variables are in slices, share bytes, or have types that are not supported.
        DamagedError: a file is truncated, or a checksum does not match.
    """
    source.refuse_key(key)
    bundle = read_bundle(source)
    shards = _shards(source, bundle)
    for entry in bundle.entries:
        _check_inside(shards[entry.shard], entry)
    variables = {entry.key: entry for entry in bundle.entries if entry.kind != STRING}
    names = variable_names(variables, _full_names(bundle, shards))
    twice = repeated(names.values())
    if twice is not None:
        raise source.refused(f"two of its variables are called {legible(twice)}")
    tensors = {
        check_name(source, name): _tensor(name, variables[k], shards, bundle.big_endian)
        for k, name in names.items()
    }
    notes: tuple[str, ...] = ()
    if len(names) < len(variables):
        notes = (f"left out {len(variables) - len(names)} variables of the training or repeated",)
    paths = tuple(shard.path for shard in shards.values())
    return Checkpoint(source.path, FORMAT, "tensorflow", tensors, {}, {}, notes, files=paths)


def _shards(source: Source, bundle: Bundle) -> dict[int, Source]:
    """The files of data that hold something, by their numbers."""
    if not source.path.name.endswith(INDEX_ENDING):
        raise source.unsupported(
            "is the index of a TensorFlow checkpoint under another name",
            "call it NAME.index, beside NAME.data-00000-of-00001",
        )
    stem = source.path.name.removesuffix(INDEX_ENDING)
    numbers = sorted({entry.shard for entry in bundle.entries})
    if numbers and numbers[-1] >= bundle.shards:
        raise source.damaged(f"it speaks of file {numbers[-1]} of {bundle.shards}")
    return {n: source.beside(f"{stem}.data-{n:05}-of-{bundle.shards:05}") for n in numbers}


def _check_inside(shard: Source, entry: Entry) -> None:
    end = entry.offset + entry.size
    if end > shard.size:
        raise shard.truncated(f"{legible(entry.key)} ends at byte {end}")


def _tensor(name: str, entry: Entry, shards: Mapping[int, Source], big_endian: bool) -> Tensor:
    load = partial(_load, shards[entry.shard], entry, big_endian)
    return Tensor(name, TAGS[entry.kind], entry.shape, load)


def _load(shard: Source, entry: Entry, big_endian: bool) -> Array:
    raw = shard.array(entry.offset, entry.size)
    if masked_crc32c(raw) != entry.crc:
        raise _wrong_sum(shard, entry)
    try:
        return decode(raw, TAGS[entry.kind], big_endian).reshape(entry.shape)
    except ValueError as error:
        raise shard.refused(f"{legible(entry.key)} {error}") from None


def _full_names(bundle: Bundle, shards: Mapping[int, Source]) -> dict[str, str]:
    """What the graph of objects says of the names; nothing where the checkpoint has none."""
    for entry in bundle.entries:
        if entry.key == GRAPH and entry.kind == STRING and entry.shape == ():
            shard = shards[entry.shard]
            if entry.size > _LONGEST_GRAPH:
                raise shard.refused(f"its graph of objects has {entry.size} bytes")
            shard.budget.charge_objects(0, text=_COPIES * entry.size)
            try:
                return full_names(_text(shard, entry), shard.budget.charge_objects)
            except ConverterError:
                raise
            except ValueError:
                raise shard.damaged("its graph of objects is none") from None
    return {}


def _text(shard: Source, entry: Entry) -> bytes:
    """One text: its length, the checksum of the length, itself. The whole has a checksum, too."""
    raw = shard.array(entry.offset, entry.size)
    length, place = varint(raw[:10].tobytes(), 0)
    if place + _LENGTH_SUM + length != entry.size:
        raise shard.damaged("its graph of objects is not as long as it says")
    # The length counts as four bytes, in the order of the machine.
    counts = (np.array([length], order).view(np.uint8) for order in ("<u4", ">u4"))
    if all(masked_crc32c(np.concatenate([c, raw[place:]])) != entry.crc for c in counts):
        raise _wrong_sum(shard, entry)
    return raw[place + _LENGTH_SUM :].tobytes()


def _wrong_sum(shard: Source, entry: Entry) -> DamagedError:
    return DamagedError(
        f"{shard.name}: checksum of {legible(entry.key)!r} does not match (file damaged)",
        "get it again from where it is from",
    )
