"""`.weights.h5`: what Keras saves is read bit for bit, and Keras loads what is written."""

from __future__ import annotations

import time

import h5py
import keras
import numpy as np
import pytest

from tests.converter.crafted import every_dtype
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import UsageError
from weights_converter.formats import read, write


def network() -> keras.Model:
    layers = [
        keras.Input((6, 5, 3)),
        keras.layers.Conv2D(4, (3, 2), use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(7),
    ]
    model = keras.Sequential(layers)
    random = np.random.default_rng(2)
    for variable in model.variables:
        variable.assign(random.random(variable.shape))
    return model


def named(model: keras.Model) -> dict[str, np.ndarray]:
    """The paths that Keras gives, in the order of the variables of each layer."""
    paths = {"conv2d": 1, "batch_normalization": 4, "dense": 2}
    values = iter(model.get_weights())
    return {
        f"layers/{path}/vars/{i}": next(values)
        for path, count in paths.items()
        for i in range(count)
    }


def assert_same(tensors, arrays):
    assert set(tensors) == set(arrays)
    for name, expected in arrays.items():
        array = tensors[name].load()
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()
        assert array.flags.c_contiguous and array.flags.writeable


def test_reads_what_keras_saves(tmp_path):
    model = network()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 6, 5, 3)), np.zeros((2, 7)), verbose=0)
    model.save_weights(tmp_path / "n.weights.h5")
    checkpoint = read(tmp_path / "n.weights.h5")
    assert (checkpoint.format, checkpoint.layout) == ("keras-h5", "keras")
    assert_same(checkpoint.tensors, named(model))
    optimizer = len(model.optimizer.variables)
    assert checkpoint.notes == (f"left out {optimizer} arrays of the optimizer",)


def test_keras_loads_what_is_written(tmp_path):
    source, target = network(), network()
    for variable in target.variables:
        variable.assign(np.zeros(variable.shape))
    path = tmp_path / "n.weights.h5"
    tensors = [Tensor.of(name, array) for name, array in named(source).items()]
    write(path, "keras-h5", tensors, {"odconv.spec": "{}"})
    target.load_weights(path)
    for ours, theirs in zip(source.get_weights(), target.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert read(path).metadata == {"odconv.spec": "{}"}


def test_bfloat16_both_ways(tmp_path):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(3, dtype="bfloat16")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save_weights(tmp_path / "a.weights.h5")
    tensors = read(tmp_path / "a.weights.h5").tensors
    assert {tensor.dtype for tensor in tensors.values()} == {"BF16"}
    kernel = np.asarray(layer.kernel)
    assert tensors["layers/dense/vars/0"].load().tobytes() == kernel.tobytes()
    write(tmp_path / "b.weights.h5", "keras-h5", tensors.values(), {})
    layer.kernel.assign(np.zeros((4, 3)))
    model.load_weights(tmp_path / "b.weights.h5")
    assert np.asarray(layer.kernel).tobytes() == kernel.tobytes()


def test_every_dtype_makes_the_round_trip(tmp_path):
    arrays = {f"a/vars/{i}": array for i, array in enumerate(every_dtype().values())}
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    write(tmp_path / "d.weights.h5", "keras-h5", tensors, {})
    assert_same(read(tmp_path / "d.weights.h5").tensors, arrays)
    assert list(read(tmp_path / "d.weights.h5").tensors) == list(arrays)  # 10 follows 9


def test_compressed_and_big_endian_arrays_are_read(tmp_path):
    array = np.random.default_rng(0).standard_normal((40, 30)).astype(">f4")
    with h5py.File(tmp_path / "c.weights.h5", "w") as file:
        file.create_dataset(
            "x/vars/0", data=array, compression="gzip", shuffle=True, fletcher32=True
        )
    assert_same(read(tmp_path / "c.weights.h5").tensors, {"x/vars/0": array.astype("<f4")})


def test_the_bytes_do_not_depend_on_the_time(tmp_path):
    tensors = [Tensor.of("layer1/0/conv1/vars/0", np.arange(12.0).reshape(3, 4))]
    write(tmp_path / "a.weights.h5", "keras-h5", tensors, {"b": "2", "a": "1"})
    time.sleep(1.1)  # HDF5 counts seconds
    write(tmp_path / "b.weights.h5", "keras-h5", tensors, {"a": "1", "b": "2"})
    first, second = ((tmp_path / f"{n}.weights.h5").read_bytes() for n in "ab")
    assert first == second


@pytest.mark.parametrize("name", ["conv1/weight", "a/../vars/0", "/a/vars/0", "a//vars/0"])
def test_refuses_other_names(tmp_path, name):
    with pytest.raises(UsageError, match=r"is not the name of a Keras variable"):
        write(tmp_path / "a.weights.h5", "keras-h5", [Tensor.of(name, np.ones(2))], {})
    assert not list(tmp_path.iterdir())
