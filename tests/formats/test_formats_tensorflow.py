"""Checkpoints and SavedModels: what TensorFlow loads of them and what is read are the same bits."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from odconv_keras.models import build_model
from odconv_spec import model_spec
from tests.quick import quick_rows
from weights_converter import convert
from weights_converter.errors import RefusedError
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated

READERS = (read, read_isolated)
DTYPES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "float8_e4m3fn",
    "float8_e5m2",
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
SHAPES = ((), (2, 0, 3), (4, 3, 5), (300, 41))


def random_bits(dtype: str, shape: tuple[int, ...]) -> tf.Tensor:
    """NaNs with payloads, infinities and subnormals among them."""
    random = np.random.default_rng(len(shape))
    numpy_dtype = tf.as_dtype(dtype).as_numpy_dtype
    if dtype == "bool":
        return tf.constant(random.random(shape) < 0.5)
    raw = random.bytes(int(np.prod(shape)) * np.dtype(numpy_dtype).itemsize)
    return tf.constant(np.frombuffer(raw, numpy_dtype).reshape(shape))


def network() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            keras.layers.Conv2D(4, (3, 2), name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(7, name="dense"),
        ],
        name="net",
    )
    random = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(random.random(variable.shape))
    return model


def assert_same(tensors, model):
    """By the names that Keras gives its variables."""
    expected = {variable.path.replace("/", "."): variable for variable in model.weights}
    assert set(tensors) == set(expected)
    for name, variable in expected.items():
        assert tensors[name].load().tobytes() == np.asarray(variable.value).tobytes(), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path, dtype):
    module = tf.Module()
    for number, shape in enumerate(SHAPES):
        setattr(module, f"w{number}", tf.Variable(random_bits(dtype, shape)))
    tf.train.Checkpoint(module).write(str(tmp_path / "x"))
    reader = tf.train.load_checkpoint(str(tmp_path / "x"))
    tensors = read(tmp_path / "x").tensors
    assert sorted(tensors) == ["w0", "w1", "w2", "w3"]
    for name, tensor in tensors.items():
        expected = reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        array = tensor.read()
        assert array.shape == np.shape(expected)
        assert array.tobytes() == np.asarray(expected).tobytes()


@pytest.mark.parametrize("reader", READERS)
def test_a_model(tmp_path, reader):
    model = network()
    tf.train.Checkpoint(model=model).save(str(tmp_path / "x"))
    assert_same(reader(tmp_path).tensors, model)


def test_a_model_in_training(tmp_path):
    """Most of its variables are stored as the optimizer's."""
    model = network()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 6, 5, 3)), np.zeros((2, 7)), verbose=0)
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(tmp_path / "x"))
    assert_same(read(tmp_path).tensors, model)


PLACES = ("", "variables", "variables/variables.index")


@pytest.mark.parametrize(
    ("place", "reader"),
    quick_rows([*((p, read) for p in PLACES), ("", read_isolated)], product(PLACES, READERS)),
)
def test_a_saved_model(tmp_path, reader, place):
    model = network()
    model.export(tmp_path / "saved", verbose=False)
    assert_same(reader(tmp_path / "saved" / place).tensors, model)


KEEPERS = {
    "export": lambda model, path: model.export(path, verbose=False),
    "saved_model": lambda model, path: tf.saved_model.save(model, path),
    "checkpoint": lambda model, path: tf.train.Checkpoint(model=model).write(path),
}
SPECS = {
    "ResNet": model_spec("od_resnet18", stages=[[8, 1], [12, 1]], stem_channels=8, num_classes=5),
    "MobileNetV2": model_spec("od_mobilenetv2_050", num_classes=5),
}


@pytest.mark.parametrize(
    ("name", "keeper"),
    [
        ("ResNet", "export"),
        *(pytest.param("ResNet", k, marks=pytest.mark.slow) for k in ("saved_model", "checkpoint")),
        *(pytest.param("MobileNetV2", k, marks=pytest.mark.slow) for k in KEEPERS),
    ],
)
def test_our_networks(tmp_path, name, keeper):
    """What TensorFlow keeps of them converts to the same arrays as their weights file."""
    model = build_model(SPECS[name])
    model(np.zeros((1, 32, 32, 3), "float32"))  # which `export` asks for
    random = np.random.default_rng(3)
    for variable in model.variables:
        if "temperature" not in variable.path:
            variable.assign(random.random(variable.shape))
    model.save_weights(tmp_path / "a.weights.h5")
    KEEPERS[keeper](model, str(tmp_path / "kept"))
    convert(tmp_path / "a.weights.h5", tmp_path / "a.safetensors")
    convert(tmp_path / "kept", tmp_path / "b.safetensors")
    first, second = read(tmp_path / "a.safetensors"), read(tmp_path / "b.safetensors")
    assert list(first.tensors) == list(second.tensors)
    for array, other in zip(first.tensors.values(), second.tensors.values(), strict=True):
        assert array.load().tobytes() == other.load().tobytes()


def test_a_checkpoint_of_names(tmp_path):
    """As TensorFlow 1 saved them: no graph of objects, only names."""
    values = {"net/conv/weights": random_bits("float32", (3, 2)), "step": tf.constant(3)}
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "x"),
        tensor_names=list(values),
        shape_and_slices=["", ""],
        tensors=list(values.values()),
    )
    tensors = read(tmp_path / "x.index").tensors
    assert sorted(tensors) == ["net.conv.weights", "step"]
    assert (
        tensors["net.conv.weights"].load().tobytes() == values["net/conv/weights"].numpy().tobytes()
    )


def test_several_files(tmp_path):
    prefixes = [str(tmp_path / name) for name in "ab"]
    values = {name: random_bits("float32", (5, int(name))) for name in "123"}
    for prefix, names in zip(prefixes, ("13", "2"), strict=True):
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=list(names),
            shape_and_slices=[""] * len(names),
            tensors=[values[name] for name in names],
        )
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=prefixes, destination_prefix=str(tmp_path / "x")
    )
    assert len(list(tmp_path.glob("x.data-*-of-00002"))) == 2
    tensors = read(tmp_path / "x").tensors
    for name, value in values.items():
        assert tensors[name].load().tobytes() == value.numpy().tobytes()


def test_slices_are_refused(tmp_path):
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "x"),
        tensor_names=["w", "w"],
        shape_and_slices=["4 3 0,2:-", "4 3 2,2:-"],
        tensors=[random_bits("float32", (2, 3)), random_bits("float32", (2, 3))],
    )
    with pytest.raises(RefusedError, match="stores variables in slices") as error:
        read(tmp_path / "x")
    assert error.value.help and "without a partitioner" in error.value.help


def test_many_variables(tmp_path):
    """Enough for an index of several blocks, and names that share their starts."""
    module = tf.Module()
    module.layers = [tf.Variable(float(number), name=f"v{number}") for number in range(700)]
    tf.train.Checkpoint(module).write(str(tmp_path / "x"))
    tensors = read(tmp_path / "x").tensors
    assert {name: float(tensor.load()) for name, tensor in tensors.items()} == {
        f"v{number}": float(number) for number in range(700)
    }
