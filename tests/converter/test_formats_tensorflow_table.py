"""TensorFlow's checkpoints, read from bytes that the tests put together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converter.bundles import GRAPH, VALUE, Bundle, crc32c, entries, header, table
from tests.converter.crafted import every_dtype
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated
from weights_converter.formats.tensorflow import crc32c as crc

ARRAY = np.arange(6, dtype="f4").reshape(2, 3)


def names(folder, *keys, **full):
    bundle = Bundle()
    for number, key in enumerate(keys):
        bundle.add(key, ARRAY + number)
    if full:
        bundle.add_graph({key: full[f"k{n}"] for n, key in enumerate(keys) if f"k{n}" in full})
    return list(read(bundle.write(folder)).tensors)


@pytest.mark.parametrize("reader", [read, read_isolated])
def test_every_dtype(tmp_path, reader):
    arrays = {name.replace("_", ""): array for name, array in every_dtype().items()}
    bundle = Bundle()
    for name, array in arrays.items():
        bundle.add(f"layer/{name}{VALUE}", array)
    checkpoint = reader(bundle.write(tmp_path))
    assert (checkpoint.format, checkpoint.layout) == ("tensorflow", "tensorflow")
    assert sorted(checkpoint.tensors) == sorted(f"layer.{name}" for name in arrays)
    for name, expected in arrays.items():
        array = checkpoint.tensors[f"layer.{name}"].load()
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes() and array.flags.writeable


@pytest.mark.parametrize(("kind", "carrier", "tag"), [
    (8, "complex64", "C64"), (14, "uint16", "BF16"), (18, "complex128", "C128"),
    (24, "uint8", "F8_E5M2"), (25, "uint8", "F8_E4M3")])  # fmt: skip
def test_numbers_that_keras_has_no_use_for(tmp_path, kind, carrier, tag):
    array = np.arange(5, dtype=carrier)
    tensor = read(Bundle().add("a", array, kind=kind).write(tmp_path)).tensors["a"]
    assert tensor.dtype == tag and tensor.load().tobytes() == array.tobytes()


def test_big_endian(tmp_path):
    bundle = Bundle().add("a", ARRAY.astype(">f4")).add_graph({"a": "kernel"})
    checkpoint = read(bundle.write(tmp_path, head=header(endianness=1)))
    assert np.array_equal(checkpoint.tensors["kernel"].load(), ARRAY)


def test_several_files(tmp_path):
    first, second = Bundle().add("a", ARRAY, shard=0), Bundle().add("b", -ARRAY, shard=2)
    pairs = [(b"", header(shards=3)), *first.pairs, *second.pairs]
    (tmp_path / "x.index").write_bytes(table(entries(pairs[:2]), entries(pairs[2:])))
    (tmp_path / "x.data-00000-of-00003").write_bytes(first.data)
    (tmp_path / "x.data-00002-of-00003").write_bytes(second.data)  # nothing is in the other
    tensors = read(tmp_path / "x").tensors
    assert np.array_equal(tensors["a"].load(), ARRAY)
    assert np.array_equal(tensors["b"].load(), -ARRAY)


def test_names_that_share_their_start(tmp_path):
    """As TensorFlow writes them: each key without what it has in common with the last."""
    bundle = Bundle().add("layer/bias", ARRAY[0]).add("layer/kernel", ARRAY)
    (_, bias), (_, kernel) = bundle.pairs
    content = entries([(b"", header()), (b"layer/bias", bias)])
    content += bytes([6, 6, len(kernel)]) + b"kernel" + kernel
    (tmp_path / "x.index").write_bytes(table(content))
    (tmp_path / "x.data-00000-of-00001").write_bytes(bundle.data)
    assert list(read(tmp_path / "x").tensors) == ["layer.bias", "layer.kernel"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (f"layer1/0/conv1/kernel{VALUE}", "layer1.0.conv1.kernel"),
        ("resnet/conv1/weights", "resnet.conv1.weights"),  # TensorFlow 1
        (f"a.Sb/c..d/e{VALUE}", "a.b.c.d.e"),  # slashes and dots within attributes
        (f"a..S/b{VALUE}", "a.S.b"),
        (f"model/_optimizer_head/kernel{VALUE}", "model._optimizer_head.kernel"),
    ],
)
def test_paths(tmp_path, key, name):
    assert names(tmp_path, key) == [name]


def test_a_variable_goes_by_its_own_name(tmp_path):
    keys = [f"variables/{n}{VALUE}" for n in range(3)]
    full = {"k0": "net/conv/kernel:0", "k1": "net/conv/bias", "k2": "Variable"}
    assert names(tmp_path, *keys, **full) == ["net.conv.kernel", "net.conv.bias", "variables.2"]


def test_names_that_several_variables_have(tmp_path):
    keys = [f"a/w{VALUE}", f"b/w{VALUE}", f"c/w{VALUE}"]
    assert names(tmp_path, *keys, k0="w", k1="w", k2="v") == ["a.w", "b.w", "v"]


def test_what_keras_exports_twice(tmp_path):
    keys = [f"_all_variables/0{VALUE}", f"_all_variables/1{VALUE}", f"variables/0{VALUE}"]
    assert names(tmp_path, *keys, k0="net/w", k1="net/other", k2="net/w") == ["net.other", "net.w"]


def test_the_training_is_left_out(tmp_path):
    bundle = Bundle()
    kept = [f"a/w{VALUE}", f"model/optimizer/_trainable_variables/0{VALUE}"]
    left_out = [
        f"model/optimizer/_variables/0{VALUE}",
        f"optimizer/iter{VALUE}",
        f"a/w/.OPTIMIZER_SLOT/optimizer/m{VALUE}",
        f"save_counter{VALUE}",
        f"keras_api/metrics/0/total{VALUE}",
    ]
    for key in [*kept, *left_out]:
        bundle.add(key, ARRAY)
    bundle.add_graph({kept[1]: "net/b"})
    checkpoint = read(bundle.write(tmp_path))
    assert list(checkpoint.tensors) == ["a.w", "net.b"]
    assert checkpoint.notes == ("left out 5 variables of the training or repeated",)


def test_texts_are_left_out(tmp_path):
    bundle = Bundle().add("a", ARRAY).add_text("config", b"{}")
    assert list(read(bundle.write(tmp_path)).tensors) == ["a"]


@pytest.mark.parametrize(
    "named", ["x.index", "x", "x.data-00000-of-00001", ".", "saved", "saved/variables"]
)
def test_ways_to_name_a_checkpoint(tmp_path, named):
    folder = tmp_path / "saved" / "variables" if named.startswith("saved") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    bundle = Bundle().add("a", ARRAY)
    stem = "variables" if named.startswith("saved") else "x"
    for name, content in bundle.files(stem).items():
        (folder / name).write_bytes(content)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "x"')
    for reader in (read, read_isolated):
        checkpoint = reader(tmp_path / named)
        assert list(checkpoint.tensors) == ["a"]
        assert checkpoint.path == folder / f"{stem}.index"


def test_checksums():
    assert crc.crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283  # the standard's own
    random = np.random.default_rng(0)
    for length in (0, 1, 2, 3, 4, 5, 63, 64, 127, 128, 129, 255, 256, 257, 1023, 4097, 70_001):
        raw = random.integers(0, 256, length, np.uint8)
        assert crc.crc32c(raw) == crc32c(raw.tobytes()), length


def test_a_checksum_sees_every_byte():
    raw = np.zeros(1 << 20, np.uint8)
    seen = {crc.crc32c(raw)}
    for place in (0, 1, 255, 256, 4095, 4096, (1 << 19) - 1, 1 << 19, (1 << 20) - 1):
        raw[place] ^= 1
        seen.add(crc.crc32c(raw))
    assert len(seen) == 10


def test_the_graph_is_no_array(tmp_path):
    bundle = Bundle().add(GRAPH, ARRAY)
    assert list(read(bundle.write(tmp_path)).tensors) == [GRAPH]
