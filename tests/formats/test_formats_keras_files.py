"""Archives, shards and old files: what Keras loads of them and what is read are the same bits."""

from __future__ import annotations

import zipfile
from itertools import product
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest

from tests.quick import quick_rows
from weights_converter.errors import RefusedError
from weights_converter.formats import read, write, write_shards
from weights_converter.formats.isolated.reader import read_isolated

READERS = (read, read_isolated)
DTYPES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)


@keras.saving.register_keras_serializable("odconv_tests")
class Holder(keras.layers.Layer):
    """One variable of each shape that an array can have: none, empty, plain, with units."""

    shapes = ((), (2, 0, 3), (4, 3, 5), (1, 7, 1))

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def build(self, shape):
        for number, size in enumerate(self.shapes):
            array = self.add_weight(shape=size, dtype=self.kind, initializer=self.fill)
            setattr(self, f"w{number}", array)

    def fill(self, shape, dtype=None):
        """Random bits: NaNs with payloads, infinities and subnormals among them."""
        if dtype == "bool":
            return keras.ops.convert_to_tensor(np.random.default_rng(3).random(shape) < 0.5)
        numpy_dtype = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
        raw = np.random.default_rng(3).bytes(int(np.prod(shape)) * numpy_dtype.itemsize)
        return keras.ops.convert_to_tensor(np.frombuffer(raw, numpy_dtype).reshape(shape))

    def call(self, x):
        return x


def of_dtype(dtype: str) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), Holder(dtype)])


def network() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((4, 4, 4)), keras.layers.Conv2D(5, (1, 2)), keras.layers.Flatten()]
    )
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            keras.layers.Conv2D(4, (3, 2), use_bias=False),
            keras.layers.BatchNormalization(),
            inner,
            keras.layers.Dense(7),
        ]
    )
    randomise(model, 2)
    return model


def randomise(model: keras.Model, seed: int) -> None:
    random = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(random.random(variable.shape))


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    model = network()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 6, 5, 3)), np.zeros((2, 7)), verbose=0)
    return model


def save(model: keras.Model, path: Path) -> Path:
    if path.name.endswith(".weights.json"):
        model.save_weights(path, max_shard_size=1.8e-6)
    elif path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


def contents(arrays) -> list[bytes]:
    """All arrays as bytes with their shapes, in an order of their own: names differ by format."""
    return sorted(repr(array.shape).encode() + array.tobytes() for array in arrays)


def in_keras(model: keras.Model) -> list[bytes]:
    return contents(np.asarray(variable.value) for variable in model.weights)


def in_file(reader, path: Path) -> list[bytes]:
    return contents(tensor.read() for tensor in reader(path).tensors.values())


NAMES = ("m.weights.h5", "m.weights.json", "m.keras", "m.h5")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("name", "reader"),
    quick_rows(
        [*((name, read) for name in NAMES), ("m.keras", read_isolated)], product(NAMES, READERS)
    ),
)
def test_reads_what_keras_saves(tmp_path, name, reader, trained):
    path = save(trained, tmp_path / name)
    assert in_file(reader, path) == in_keras(trained)
    other = network()
    if name == "m.h5":
        other = keras.models.load_model(path, compile=False)
    else:
        randomise(other, 9)
        other.load_weights(path)
    assert in_keras(other) == in_keras(trained)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_that_keras_saves(tmp_path, name, dtype):
    model = of_dtype(dtype)
    path = save(model, tmp_path / name)
    if dtype == "bfloat16" and name == "m.h5":  # Keras does not mark it in its old format
        with pytest.raises(RefusedError, match=r"has elements of type \|V2"):
            read(path)
    else:
        assert in_file(read, path) == in_keras(model)


def test_the_names_in_an_archive_are_those_of_its_weights(tmp_path):
    model = network()
    weights = read(save(model, tmp_path / "m.weights.h5"))
    for name in ("m.keras", "m.weights.json"):
        assert set(read(save(model, tmp_path / name)).tensors) == set(weights.tensors)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_names_in_an_old_file(tmp_path):
    model = network()
    path = save(model, tmp_path / "m.h5")
    inner = model.layers[2].name
    expected = {
        "/".join(variable.path.split("/")[-3 if inner in variable.path else -2 :]): variable
        for variable in model.weights
    }
    tensors = read(path).tensors
    assert set(tensors) == set(expected)
    for name, variable in expected.items():
        assert np.array_equal(tensors[name].load(), np.asarray(variable.value)), name


def test_an_archive_that_was_packed_again(tmp_path):
    model = network()
    save(model, tmp_path / "m.keras")
    with (
        zipfile.ZipFile(tmp_path / "m.keras") as source,
        zipfile.ZipFile(tmp_path / "d.keras", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in reversed(source.namelist()):
            target.writestr(name, source.read(name))
    assert in_file(read, tmp_path / "d.keras") == in_keras(model)


def test_a_model_that_is_not_packed(tmp_path):
    """`zipped=False` makes a folder; its weights are a file there."""
    model = network()
    model.save(tmp_path / "folder", zipped=False)
    for reader in READERS:
        assert in_file(reader, tmp_path / "folder") == in_keras(model)


@pytest.mark.parametrize("most", [1700, 10**6])
def test_keras_loads_the_shards_that_are_written(tmp_path, most):
    source, target = network(), network()
    randomise(target, 9)
    tensors = read(save(source, tmp_path / "m.weights.h5")).tensors.values()
    *files, _ = write_shards(tmp_path / "o.weights.json", tensors, {"a": "b"}, most)
    assert (len(files) > 1) == (most < 10**6)
    target.load_weights(tmp_path / "o.weights.json")
    for ours, theirs in zip(source.get_weights(), target.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_keras_loads_every_dtype_that_is_written(tmp_path, dtype):
    source, target = of_dtype(dtype), of_dtype(dtype)
    tensors = read(save(source, tmp_path / "m.weights.h5")).tensors
    for variable in target.weights:
        variable.assign(np.zeros(variable.shape))
    write(tmp_path / "o.weights.h5", "keras-h5", tensors.values(), {})
    target.load_weights(tmp_path / "o.weights.h5")
    for ours, theirs in zip(source.weights, target.weights, strict=True):
        assert np.asarray(ours.value).tobytes() == np.asarray(theirs.value).tobytes()
