"""Writing `.weights.h5`: what the HDF5 library reads of it, and a disk that is full at any byte."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import h5py
import ml_dtypes
import numpy as np
import pytest

from odconv_spec import model_spec
from tests.converter.helpers import LAYOUT_OF, arrays_of, save
from tests.quick import quick
from weights_converter.arrays.dtypes import CARRIERS
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError, UsageError
from weights_converter.formats.hdf5.sparse_memory import SparseMemory
from weights_converter.formats.keras.write import KerasWriter

MIB = 1 << 20
SPEC = model_spec("od_resnet18", kernel_num=2, stages=[[8, 1], [16, 1]], stem_channels=8)
SHAPES = ((), (0,), (3, 0, 2), (1,), (5,), (3, 4), (2, 1, 3, 1, 2), (9000,), (40, 700))
DTYPES = ("F32", "F64", "F16", "BF16", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")


def tensor(name, dtype, shape, seed=0):
    carrier = CARRIERS[dtype]
    raw = np.random.default_rng(seed).bytes(int(np.prod(shape)) * carrier.itemsize)
    array = np.frombuffer(raw, "u1") % 2 == 1 if dtype == "BOOL" else np.frombuffer(raw, carrier)
    return Tensor.of(name, array.reshape(shape), dtype)


def written(path, tensors, metadata=None):
    path.touch()
    writer = KerasWriter(path, tensors, metadata or {})
    for each in tensors:
        writer.add(each, each.load())
    writer.close(metadata or {})
    return path


def check_content(path, tensors, metadata=None):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item}))
        datasets = {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}
        assert set(datasets) == {each.name for each in tensors}
        for each in tensors:
            values = datasets[each.name][()]
            assert (np.shape(values), values.tobytes()) == (each.shape, each.load().tobytes())
        assert dict(file.attrs) == (metadata or {})


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_shape(tmp_path, dtype):
    tensors = [tensor(f"layer/vars/{i}", dtype, shape, i) for i, shape in enumerate(SHAPES)]
    path = written(tmp_path / "x.weights.h5", tensors)
    check_content(path, tensors)
    with h5py.File(path) as file:
        for dataset in file["layer/vars"].values():
            assert dataset.dtype == ("V2" if dtype == "BF16" else CARRIERS[dtype])
            marks = {"dtype": "bfloat16"} if dtype == "BF16" else {}
            assert dict(dataset.attrs) == marks
    one = file_bytes(tensors[5], tmp_path)
    assert one == file_bytes(tensors[5], tmp_path)


def file_bytes(each, folder):
    return written(folder / "one", [each]).read_bytes()


def test_bfloat16_reads_as_keras_does(tmp_path):
    values = np.random.default_rng(1).standard_normal(70).astype(ml_dtypes.bfloat16)
    each = Tensor.of("a/vars/0", values.view("<u2"), "BF16")
    with h5py.File(written(tmp_path / "x", [each])) as file:
        assert np.array_equal(file["a/vars/0"][()].view(ml_dtypes.bfloat16), values)


@pytest.mark.parametrize("length", [0, 1, 64_000, 70_000, 3_000_000])
def test_metadata_of_every_length(tmp_path, length):
    metadata = {"b": "\N{SNOWMAN}" * length, "a": "x" * length}
    tensors = [tensor("a/vars/0", "F32", (30, 50))]
    check_content(written(tmp_path / "x", tensors, metadata), tensors, metadata)


def test_thousands_of_arrays(tmp_path):
    """More than the library keeps in memory, in groups of one array and of a thousand."""
    random = np.random.default_rng(5)
    tensors = [tensor(f"one/vars/{i}", "F32", (i % 7,), i) for i in range(1000)]
    tensors += [
        tensor(f"layer{random.integers(9)}/block{i}/vars/{i % 3}", "U8", random.integers(0, 9, 3))
        for i in range(1500)
    ]
    path = written(tmp_path / "x", tensors)
    check_content(path, tensors)
    assert path.read_bytes() == written(tmp_path / "y", tensors).read_bytes()


def test_no_array_stays_in_memory(tmp_path):
    size = 3 * MIB
    tensors = [tensor(f"l{i}/vars/0", "U8", (size,), i) for i in range(8)]
    arrays = [each.load() for each in tensors]
    (tmp_path / "x").touch()
    tracemalloc.start()
    try:
        writer = KerasWriter(tmp_path / "x", tensors, {})
        for each, array in zip(tensors, arrays, strict=True):
            writer.add(each, array)
        writer.close({"a": "b"})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < MIB
    check_content(tmp_path / "x", tensors, {"a": "b"})


# Writes with less and less room, in a process that is not to end by itself.
FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from weights_converter.arrays.tensor import Tensor
from weights_converter.formats.keras.write import KerasWriter

random = np.random.default_rng(3)
tensors = [Tensor.of(f"l{i}/vars/{i}", random.random(2000 * (i % 3), "f4")) for i in range(9)]
path = Path(sys.argv[1])

def write():
    path.write_bytes(b"")
    writer = KerasWriter(path, tensors, {})
    try:
        for tensor in tensors:
            writer.add(tensor, tensor.load())
            writer.rest()
        writer.close({"a": "x" * 3000})
    except OSError as error:
        assert error.strerror == "File too large", error
        return "refused"
    finally:
        writer.abandon()
        writer.abandon()
    return "written"

assert write() == "written"
size = path.stat().st_size
for room in [*range(0, size, 997), size - 1, size]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert write() == ("written" if room == size else "refused"), room
    assert path.stat().st_size <= room
print("right")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_a_disk_that_is_full_at_any_byte(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path / "x")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "right\n"), run.stderr[-2000:]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_disk_that_takes_nothing(tmp_path, size):
    (tmp_path / "x").symlink_to("/dev/full")
    each = tensor("a/vars/0", "F32", (size,))
    writer = KerasWriter(tmp_path / "x", [each], {})
    with pytest.raises(OSError, match="No space left on device"):
        writer.add(each, each.load())
        writer.close({})
    writer.abandon()


FULL_COMMAND = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
import odconv.__main__
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
@pytest.mark.parametrize("ending", LAYOUT_OF)
@pytest.mark.parametrize("room", quick([30_000], [100, 30_000, 100_000]))
def test_the_command_on_a_full_disk(tmp_path, ending, room):
    source, target = (
        save(tmp_path / "a.safetensors", SPEC, arrays_of(SPEC)),
        tmp_path / f"b{ending}",
    )
    assert source.stat().st_size > 130_000
    run = subprocess.run(
        [sys.executable, "-c", FULL_COMMAND, str(room), "convert", str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (5, ""), run.stderr
    assert run.stderr == f"error: cannot write {target}: File too large\n"
    assert list(tmp_path.iterdir()) == [source]


def test_names_that_are_none():
    for name in (
        "a",
        "a/vars/x",
        "/vars/0",
        "a//vars/0",
        "../vars/0",
        "a\0b/vars/0",
        "\ud800/vars/0",
    ):
        with pytest.raises(UsageError, match="is not the name of a Keras variable"):
            KerasWriter(None, [tensor(name, "F32", ())], {})
    for names in (("a/vars/0", "a/vars/0/b/vars/1"), ("b/vars/0/vars/1", "a/vars/0", "b/vars/0")):
        with pytest.raises(UsageError, match=r"./vars/0 is an array, so there is no place for"):
            KerasWriter(None, [tensor(name, "F32", ()) for name in names], {})


@pytest.mark.parametrize("dtype", ["F8_E4M3", "C64"])
def test_dtypes_that_keras_has_not(dtype):
    with pytest.raises(RefusedError, match=f"a .weights.h5 file cannot hold {dtype}"):
        KerasWriter(None, [tensor("a/vars/0", dtype, (2,))], {})


def test_a_memory_with_gaps_is_a_file(tmp_path):
    random = np.random.default_rng(9)
    memory, size = SparseMemory(), 0
    with (tmp_path / "x").open("w+b", buffering=0) as file:
        for _ in range(3000):
            place, length = (int(number) for number in random.integers(0, 9000, 2))
            whence = int(random.integers(3))
            step = place - (0, file.tell(), size)[whence]
            assert file.seek(step, whence) == memory.seek(step, whence) == memory.tell() == place
            if length % 3 == 0:
                size += length % 100
                assert file.truncate(size) == memory.truncate(size)
            elif length % 3 == 1 or length > 800:  # most of it stays a gap
                assert file.read(length).ljust(length, b"\0") == memory.read(length)
                file.seek(memory.tell())
            else:
                data = random.bytes(length)
                assert file.write(data) == memory.write(memoryview(data))
                size = max(size, memory.tell())
    assert size > 9000
