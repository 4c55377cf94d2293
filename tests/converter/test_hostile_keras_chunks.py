"""Compressed arrays in HDF5 files that were made to expand too far, or not at all."""

from __future__ import annotations

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read


def test_a_compressed_array_with_a_flipped_bit(tmp_path):
    path = tmp_path / "f.weights.h5"
    array = np.random.default_rng(0).standard_normal(500)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a/vars/0", data=array, chunks=(500,), fletcher32=True)
        start = dataset.id.get_chunk_info(0).byte_offset
    raw = bytearray(path.read_bytes())
    raw[start + 77] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="HDF5 cannot read it"):
        read(path).tensors["a/vars/0"].load()


def chunk_replaced(path, content, **options):
    """A file whose one chunk has this content instead of its own."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a/vars/0", (1000,), "f4", chunks=(1000,), **options)
        dataset.id.write_direct_chunk((0,), content)
    return path


def test_a_chunk_that_expands_past_its_array(tmp_path):
    """HDF5 would inflate all of it: a chunk of 16 MB could take 16 GB."""
    content = zlib.compress(bytes(4_000_000))
    assert len(content) < 4300  # as much as a chunk of 4000 bytes may take
    path = chunk_replaced(tmp_path / "c.h5", content, compression="gzip")
    tensor = read(path).tensors["a/vars/0"]
    tracemalloc.start()
    with pytest.raises(RefusedError, match="a/vars/0 has a chunk of more than 4004 bytes"):
        tensor.load()
    assert tracemalloc.get_traced_memory()[1] < 3 << 20
    tracemalloc.stop()


def test_a_chunk_that_is_stored_in_more_bytes_than_its_array(tmp_path):
    """A thousand small arrays could share one chunk of megabytes, which each would read."""
    content = zlib.compress(bytes(4000)) + bytes(5000)
    path = chunk_replaced(tmp_path / "c.h5", content, compression="gzip")
    tensor = read(path).tensors["a/vars/0"]
    with pytest.raises(RefusedError, match=f"a/vars/0 has a chunk of {len(content)} bytes"):
        tensor.load()


def test_noise_that_compression_makes_longer(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 100_000, "u1")
    stored = zlib.compress(noise.tobytes(), 0)
    assert len(stored) > noise.size
    with h5py.File(tmp_path / "n.h5", "w") as file:
        dataset = file.create_dataset(
            "a/vars/0", noise.shape, "u1", chunks=noise.shape, compression="gzip"
        )
        dataset.id.write_direct_chunk((0,), stored)
    assert np.array_equal(read(tmp_path / "n.h5").tensors["a/vars/0"].load(), noise)


@pytest.mark.parametrize("content", [zlib.compress(bytes(4000))[:-9], b"no stream", b"\0"])
def test_a_chunk_that_does_not_expand(tmp_path, content):
    path = chunk_replaced(tmp_path / "c.h5", content, compression="gzip")
    with pytest.raises(DamagedError, match="HDF5 cannot read it"):
        read(path).tensors["a/vars/0"].load()


def test_a_chunk_that_is_as_large_as_it_may_be(tmp_path):
    values = np.random.default_rng(0).standard_normal(1000).astype("f4")
    path = chunk_replaced(tmp_path / "c.h5", zlib.compress(values.tobytes()), compression="gzip")
    assert np.array_equal(read(path).tensors["a/vars/0"].load(), values)
