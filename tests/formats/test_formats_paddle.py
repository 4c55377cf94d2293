"""`.pdparams`: what paddle.save writes is read bit for bit, and the other way round."""

from __future__ import annotations

import pickle

import numpy as np
import paddle
import pytest

from tests.converter.crafted import (
    binary,
    call,
    dict_,
    every_dtype,
    ndarray,
    pickled,
    text,
    written,
)
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read, write

PROTOCOLS = (2, 3, 4)


def network() -> paddle.nn.Layer:
    paddle.seed(3)
    layers = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(70, 40)
    )
    for buffer in layers.buffers():
        buffer.set_value(paddle.rand(buffer.shape))
    return layers


def assert_same(tensors, state):
    assert list(tensors) == list(state)
    for name, value in state.items():
        array = tensors[name].load()
        expected = value if isinstance(value, np.ndarray) else value.numpy()
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()
        assert array.flags.c_contiguous and array.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_state_dicts(tmp_path, protocol):
    state = network().state_dict()
    paddle.save(state, str(tmp_path / "n.pdparams"), protocol=protocol)
    checkpoint = read(tmp_path / "n.pdparams")
    assert (checkpoint.format, checkpoint.layout) == ("pdparams", "paddle")
    assert checkpoint.notes == ("left out the table of Paddle's own parameter names",)
    assert_same(checkpoint.tensors, state)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_every_dtype(tmp_path, protocol):
    arrays = every_dtype() | {"fortran": np.asfortranarray(np.random.rand(3, 4, 5))}
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    paddle.save(tensors, str(tmp_path / "t.pdparams"), protocol=protocol)
    assert_same(read(tmp_path / "t.pdparams").tensors, tensors)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_pickled_arrays(tmp_path, protocol):
    arrays = every_dtype() | {"fortran": np.asfortranarray(np.random.rand(3, 4, 5))}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(arrays, protocol))
    assert_same(read(tmp_path / "a.pdparams").tensors, arrays)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bfloat16(tmp_path, protocol):
    value = paddle.randn([3, 4]).astype("bfloat16")
    paddle.save({"w": value}, str(tmp_path / "b.pdparams"), protocol=protocol)
    tensor = read(tmp_path / "b.pdparams").tensors["w"]
    assert tensor.dtype == "BF16"
    assert tensor.load().tobytes() == value.view("uint16").numpy().tobytes()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_training_files(tmp_path, protocol):
    state = network().state_dict()
    content = {"epoch": 5, "state_dict": state, "best": np.float32(0.5), "lr": {"last": 1}}
    paddle.save(content, str(tmp_path / "t.pdparams"), protocol=protocol)
    checkpoint = read(tmp_path / "t.pdparams")
    assert_same(checkpoint.tensors, state)
    assert checkpoint.scalars == {"epoch": 5, "best": 0.5}
    assert checkpoint.notes == ("the state dict is under 'state_dict'", "left out: lr")


def test_optimizer_state_is_no_state_dict(tmp_path):
    model = network()
    adam = paddle.optimizer.Adam(parameters=model.parameters())
    model[0](paddle.rand([1, 3, 5, 4])).sum().backward()
    adam.step()
    content = {"mine": model.state_dict(), "optimizer": adam.state_dict()}
    paddle.save(content, str(tmp_path / "o.pdparams"))
    checkpoint = read(tmp_path / "o.pdparams")
    assert_same(checkpoint.tensors, model.state_dict())
    assert checkpoint.notes == ("the state dict is under 'mine'", "left out: optimizer")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_the_dense_tensor_idiom(tmp_path, protocol):
    owner = paddle.arange(6, dtype="float32").reshape([2, 3])  # of the memory
    paddle.save({"w": owner.get_tensor(), "e": 1}, str(tmp_path / "d.pdparams"), protocol=protocol)
    assert b"eval" in (tmp_path / "d.pdparams").read_bytes()
    array = read(tmp_path / "d.pdparams").tensors["w"].load()
    assert np.array_equal(array, np.arange(6, dtype="float32").reshape(2, 3))


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_names_of_both_numpy_generations(tmp_path, core):
    array = np.arange(6, dtype=">f4").reshape(3, 2)
    path = written(tmp_path, "n.pdparams", pickled(dict_(w=ndarray(array, core))))
    assert_same(read(path).tensors, {"w": array.astype("<f4")})


@pytest.mark.parametrize("protocol", [2, 3])
def test_joins_split_arrays(tmp_path, protocol):
    array = np.random.default_rng(0).standard_normal((50, 60))
    flat = array.reshape(-1)
    content = {f"w@@.{i}": flat[i * 1000 : (i + 1) * 1000] for i in range(3)}
    info = {"w": {"OriginShape": array.shape, "slices": list(content)}}
    content |= {"b": np.ones(3), "UnpackBigParamInfor@@": info}
    path = written(tmp_path, "s.pdparams", pickle.dumps(content, protocol))
    assert_same(read(path).tensors, {"b": np.ones(3), "w": array})
    assert np.array_equal(paddle.load(str(path))["w"].numpy(), array)


@pytest.mark.parametrize(
    ("shape", "parts", "fact"),
    [
        ((7,), ["p"], "the parts of a split array do not make up the shape (7,)"),
        ((6,), ["p", "q"], "the parts of a split array are missing or of several dtypes"),
        ((6,), [], "the parts of a split array are missing or of several dtypes"),
        ((-1, -6), ["p"], "a split array has an odd shape"),
        ((6,), [1], "its entry UnpackBigParamInfor@@ does not list parts"),
    ],
)
def test_refuses_odd_splits(tmp_path, shape, parts, fact):
    info = {"w": {"OriginShape": shape, "slices": parts}}
    content = {"p": np.ones(6), "UnpackBigParamInfor@@": info}
    path = written(tmp_path, "s.pdparams", pickle.dumps(content, 2))
    with pytest.raises(RefusedError) as error:
        read(path)
    assert str(error.value) == f"s.pdparams refused: {fact}"


def latin1_array(array: np.ndarray, encoded: str) -> bytes:
    """An array whose bytes are text, as protocol 2 has it."""
    data = call("_codecs", "encode", text(encoded), text("latin1"))
    return pickled(dict_(w=ndarray(array).replace(binary(array.tobytes()), data)))


def test_bytes_as_text(tmp_path):
    array = np.full((40, 50), -1.0, "float32")  # half of its bytes take two in UTF-8
    content = latin1_array(array, array.tobytes().decode("latin-1"))
    assert_same(read(written(tmp_path, "g.pdparams", content)).tensors, {"w": array})


@pytest.mark.parametrize("encoded", ["x" * 8001, "\u20ac" * 4000])
def test_bytes_as_wrong_text(tmp_path, encoded):
    content = latin1_array(np.ones((40, 50), "float32"), encoded)
    tensor = read(written(tmp_path, "g.pdparams", content)).tensors["w"]
    with pytest.raises(DamagedError, match=r"array of shape \(40, 50\) (has 8001|are garbled)"):
        tensor.load()


def test_paddle_reads_what_is_written(tmp_path):
    arrays = every_dtype()
    path = tmp_path / "w.pdparams"
    write(path, "pdparams", [Tensor.of(n, a) for n, a in arrays.items()], {"dropped": "here"})
    loaded = paddle.load(str(path))
    assert list(loaded) == list(arrays)
    assert_same({name: Tensor.of(name, t.numpy()) for name, t in loaded.items()}, arrays)
    assert_same(read(path).tensors, arrays)
    assert b"numpy._core" not in path.read_bytes()  # numpy 1 does not have it


def test_paddle_reads_bfloat16(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**16, (3, 4), "uint16")
    write(tmp_path / "b.pdparams", "pdparams", [Tensor.of("w", bits, "BF16")], {})
    loaded = paddle.load(str(tmp_path / "b.pdparams"))["w"]
    assert loaded.dtype == paddle.bfloat16
    assert np.array_equal(loaded.view("uint16").numpy(), bits)


def test_a_paddle_network_takes_it(tmp_path):
    state = network().state_dict()
    tensors = [Tensor.of(name, value.numpy()) for name, value in state.items()]
    write(tmp_path / "n.pdparams", "pdparams", tensors, {})
    other = network()
    for parameter in other.parameters():
        parameter.set_value(paddle.zeros(parameter.shape))
    missing, unexpected = other.set_state_dict(paddle.load(str(tmp_path / "n.pdparams")))
    assert not missing and not unexpected
    assert_same({n: Tensor.of(n, v.numpy()) for n, v in other.state_dict().items()}, state)


@pytest.mark.parametrize("tag", ["U16", "F8_E4M3"])
def test_refuses_dtypes_that_paddle_would_change(tmp_path, tag):
    array = np.zeros(2, {"U16": "uint16", "F8_E4M3": "uint8"}[tag])
    with pytest.raises(RefusedError, match=f"w: a .pdparams file cannot hold {tag}"):
        write(tmp_path / "w.pdparams", "pdparams", [Tensor.of("w", array, tag)], {})
    assert not list(tmp_path.iterdir())
