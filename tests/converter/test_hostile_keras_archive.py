"""`.keras` archives whose other members are traps, and whose weights are not what they say."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from tests.converter.archives import KERNEL, WEIGHTS, archive, weights
from weights_converter.errors import DamagedError, RefusedError, UsageError
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated

NAME = "layers/dense/vars/0"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def changed(path, before, after, count=-1):
    raw = path.read_bytes()
    assert before in raw and len(before) == len(after)
    path.write_bytes(raw.replace(before, after, count))
    return path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reader", [read, read_isolated])
def test_the_weights_are_read_and_the_configuration_is_not(tmp_path, method, reader):
    """`config.json` is no JSON in these archives: whoever parses it fails."""
    checkpoint = reader(archive(tmp_path / "m.keras", method=method))
    assert (checkpoint.format, checkpoint.layout, list(checkpoint.tensors)) == (
        "keras", "keras", [NAME]
    )  # fmt: skip
    assert checkpoint.tensors[NAME].load().tobytes() == KERNEL.tobytes()


def test_the_name_of_the_archive_does_not_matter(tmp_path):
    assert list(read(archive(tmp_path / "m.pth")).tensors) == [NAME]


@pytest.mark.parametrize("method", METHODS)
def test_the_archive_may_change_after_it_is_opened(tmp_path, method):
    """Deflated weights are in memory by then; stored ones are not."""
    path = archive(tmp_path / "m.keras", method=method)
    tensor = read(path).tensors[NAME]
    archive(path, weights(dense=KERNEL + 1), method, (("more", b"x"),))
    with pytest.raises(DamagedError, match=r"m\.keras has changed while it was being read"):
        tensor.load()


@pytest.mark.parametrize("method", METHODS)
def test_a_flipped_bit(tmp_path, method):
    path = archive(tmp_path / "m.keras", method=method)
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(WEIGHTS)
        place = info.header_offset + 30 + len(WEIGHTS) + info.compress_size - 20
    raw = bytearray(path.read_bytes())
    raw[place] ^= 16
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match=r"checksum of 'model.weights.h5'|cannot be inflated"):
        read(path)


def test_a_bomb(tmp_path):
    path = archive(tmp_path / "m.keras", bytes(100 << 20), zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(RefusedError, match="has its weights compressed") as error:
        read(path)
    assert error.value.help == "unzip it and take model.weights.h5"
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_bomb_that_denies_its_size(tmp_path):
    path = archive(tmp_path / "m.keras", bytes(50 << 20), zipfile.ZIP_DEFLATED)
    changed(path, struct.pack("<I", 50 << 20), struct.pack("<I", 5000))
    tracemalloc.start()
    with pytest.raises(DamagedError, match="inflates to more than its size"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_shape_bomb_inside(tmp_path):
    handle = io.BytesIO()
    with h5py.File(handle, "w") as file:
        file.create_dataset(NAME, (2**31, 16), "f4", chunks=(2**16, 16), compression="gzip")
    with pytest.raises(RefusedError, match=r"refused: it describes more objects than its"):
        read(archive(tmp_path / "m.keras", handle.getvalue()))


def test_links_inside(tmp_path):
    handle = io.BytesIO()
    with h5py.File(handle, "w") as file:
        file[NAME] = h5py.ExternalLink("secret.h5", "/x")
    with pytest.raises(RefusedError, match=r"m\.keras refused: /layers/dense/vars/0 is an Ext"):
        read(archive(tmp_path / "m.keras", handle.getvalue()))


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_name_given_twice(tmp_path, name):
    path = archive(tmp_path / "m.keras", extra=((name, weights(dense=KERNEL * 2)),))
    with pytest.raises(RefusedError, match=rf"its archive has two entries {name}"):
        read(path)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../evil", "C:/evil", "a\\evil"])
def test_names_that_step_out(tmp_path, name):
    path = archive(tmp_path / "m.keras", extra=((name, b"x"),))
    with pytest.raises(RefusedError, match="its archive has an entry"):
        read(path)
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_two_names_of_one_entry(tmp_path):
    """The directory calls it so, the entry itself otherwise: two programs see two archives."""
    path = archive(tmp_path / "m.keras", extra=(("assets/decoy", b"x"),))
    changed(path, b"assets/decoy", b"assets/other", 1)
    with pytest.raises(RefusedError, match="differs between directory and content"):
        read(path)


def test_an_encrypted_entry(tmp_path):
    path = archive(tmp_path / "m.keras")
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        raw[file.getinfo(WEIGHTS).header_offset + 6] |= 1
    raw[raw.rindex(WEIGHTS.encode()) - 46 + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(RefusedError, match=r"model\.weights\.h5 is encrypted"):
        read(path)


def test_bytes_around_the_archive(tmp_path):
    whole = archive(tmp_path / "m.keras").read_bytes()
    (tmp_path / "m.keras").write_bytes(whole + b"more")
    with pytest.raises(DamagedError, match="the directory of its archive should follow"):
        read(tmp_path / "m.keras")


def test_truncated_everywhere(tmp_path):
    content = archive(tmp_path / "m.keras").read_bytes()
    for end in range(30, len(content), 61):
        (tmp_path / "m.keras").write_bytes(content[:end])
        with pytest.raises(DamagedError, match=r"m\.keras is truncated"):
            read(tmp_path / "m.keras")


def test_weights_that_are_no_hdf5(tmp_path):
    with pytest.raises(DamagedError, match="HDF5 cannot read it"):
        read(archive(tmp_path / "m.keras", np.random.default_rng(0).bytes(9000)))


def test_there_is_no_key_to_choose(tmp_path):
    with pytest.raises(UsageError, match="there is no key to choose from"):
        read(archive(tmp_path / "m.keras"), key="model")
