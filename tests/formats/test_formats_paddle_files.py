"""What Paddle saves besides state dicts: optimizers, tensors alone, the arrays of programs."""

from __future__ import annotations

import json
import pickle

import numpy as np
import paddle
import pytest

from tests.converter.crafted import every_dtype, varint
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read

PROTOCOLS = (2, 3, 4)


def network() -> paddle.nn.Layer:
    paddle.seed(3)
    layers = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, (3, 2)), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(7, 5)
    )
    for buffer in layers.buffers():
        buffer.set_value(paddle.rand(buffer.shape))
    return layers


def bits(value: paddle.Tensor) -> bytes:
    bare = value.view("uint16") if value.dtype == paddle.bfloat16 else value
    return bare.numpy().tobytes()


def assert_same(tensors, state):
    assert set(tensors) == set(state)
    for name, value in state.items():
        array = tensors[name].load()
        assert array.shape == tuple(value.shape)
        assert array.tobytes() == bits(value)
        assert array.flags.c_contiguous and array.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_optimizers(tmp_path, protocol):
    model = network()
    rate = paddle.optimizer.lr.StepDecay(0.1, 3)
    adam = paddle.optimizer.Adam(rate, parameters=model.parameters())
    model(paddle.rand([2, 3, 8, 8])).sum().backward()
    adam.step()
    path = tmp_path / "o.pdopt"
    paddle.save(adam.state_dict(), str(path), protocol=protocol)
    checkpoint = read(path)
    state = {n: v for n, v in adam.state_dict().items() if isinstance(v, paddle.Tensor)}
    assert len(state) == 24
    assert_same(checkpoint.tensors, state)
    assert checkpoint.layout == "paddle"
    assert checkpoint.notes[-1] == "left out: LR_Scheduler"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_a_tensor_alone(tmp_path, protocol):
    value = paddle.rand([2, 3])
    value.name = "mine"
    paddle.save(value, str(tmp_path / "t.pdtensor"), protocol=protocol)
    assert_same(read(tmp_path / "t.pdtensor").tensors, {"mine": value})
    (tmp_path / "a.pdtensor").write_bytes(pickle.dumps(value.numpy(), protocol))
    assert_same(read(tmp_path / "a.pdtensor").tensors, {"a": value})


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
     "bool"],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(3, 4), (), (1, 5, 1), (300, 2)])
def test_reads_binary_tensors(tmp_path, dtype, shape):
    value = (paddle.randn(shape) * 50).abs().astype(dtype)
    paddle.save(value, str(tmp_path / "w.pdtensor"), use_binary_format=True)
    checkpoint = read(tmp_path / "w.pdtensor")
    assert (checkpoint.format, checkpoint.layout) == ("paddle-binary", "paddle")
    assert_same(checkpoint.tensors, {"w": value})
    loaded = paddle.load(str(tmp_path / "w.pdtensor"))
    assert np.array(loaded).tobytes() == bits(value)


def test_reads_special_floats(tmp_path):
    for name, array in every_dtype().items():
        if array.size:
            value = paddle.to_tensor(array)
            paddle.save(value, str(tmp_path / name), use_binary_format=True)
            assert_same(read(tmp_path / name).tensors, {name: value})


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """(a folder with the files of `paddle.jit.save`, the model)"""
    folder = tmp_path_factory.mktemp("program")
    model = network()
    model.eval()
    spec = paddle.static.InputSpec([1, 3, 9, 8], "float32")
    paddle.jit.save(model, str(folder / "net"), input_spec=[spec])
    return folder, model


def parameter_names(model) -> dict[str, str]:
    return {value.name: name for name, value in model.state_dict().items()}


def copied(program, tmp_path, *endings):
    for ending in endings:
        (tmp_path / f"net{ending}").write_bytes((program[0] / f"net{ending}").read_bytes())
    return tmp_path / "net.pdiparams", program[1]


def test_programs_name_their_arrays(program, tmp_path):
    path, model = copied(program, tmp_path, ".pdiparams", ".json")
    checkpoint = read(path)
    assert_same(checkpoint.tensors, {v.name: v for v in model.state_dict().values()})
    assert checkpoint.notes == ("8 of 8 arrays have Paddle's own names: nothing tells the model's",)


def test_a_state_dict_beside_tells_the_models_names(program, tmp_path):
    path, model = copied(program, tmp_path, ".pdiparams", ".json")
    paddle.save(model.state_dict(), str(tmp_path / "net.pdparams"))
    checkpoint = read(path)
    assert_same(checkpoint.tensors, model.state_dict())
    assert checkpoint.notes == ()


def test_an_info_file_beside_tells_the_models_names(program, tmp_path):
    path, model = copied(program, tmp_path, ".pdiparams", ".json")
    names = parameter_names(model)
    info = {name: {"structured_name": own, "trainable": True} for name, own in names.items()}
    (tmp_path / "net.pdiparams.info").write_bytes(pickle.dumps(info, 2))
    assert_same(read(path).tensors, model.state_dict())


def test_programs_before_paddle_3(program, tmp_path):
    """Their description is protobuf; this one is put together by hand."""
    path, model = copied(program, tmp_path, ".pdiparams")

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    def variable(name: str, shape, kind: int = 7, persistable: int = 1) -> bytes:
        dims = b"".join(field(2, size) for size in shape)
        dense = field(3, field(1, field(1, 5) + dims) + field(2, 0))
        described = field(1, kind) + dense
        return field(3, field(1, name.encode()) + field(2, described) + field(3, persistable))

    state = {value.name: value for value in model.state_dict().values()}
    variables = [variable(name, value.shape) for name, value in state.items()]
    variables += [variable("feed", (), kind=9), variable("x", (1, 2), persistable=0)]
    block = field(1, 0) + b"\x25abcd" + b"".join(variables)
    (tmp_path / "net.pdmodel").write_bytes(field(1, block) + field(4, field(1, 0)))
    assert_same(read(path).tensors, state)


def test_arrays_without_names_are_refused(program, tmp_path):
    path, _ = copied(program, tmp_path, ".pdiparams")
    with pytest.raises(RefusedError, match=r"net.pdiparams holds 8 arrays without names") as error:
        read(path)
    assert ".json or .pdmodel" in error.value.help


def test_a_program_is_utf_8(program, tmp_path):
    """Python's json would guess a codec from the first bytes, and import it."""
    path, _ = copied(program, tmp_path, ".pdiparams", ".json")
    text = (tmp_path / "net.json").read_text()
    (tmp_path / "net.json").write_bytes(text.encode("utf-16-be"))
    with pytest.raises(DamagedError, match="it is not a program by Paddle"):
        read(path)


def test_another_program_is_noticed(program, tmp_path):
    path, _ = copied(program, tmp_path, ".pdiparams", ".json")
    text = (tmp_path / "net.json").read_text()
    (tmp_path / "net.json").write_text(text.replace("[4,3,3,2]", "[3,4,3,2]"))
    with pytest.raises(RefusedError, match=r"conv2d_\d+.w_0 of shape \(3, 4, 3, 2\), the file"):
        read(path)
    operations = json.loads(text)
    operations["program"]["regions"][0]["blocks"][0]["ops"].pop(0)
    (tmp_path / "net.json").write_text(json.dumps(operations))
    with pytest.raises(RefusedError, match=r"its program has 7 arrays, the file 8"):
        read(path)


@pytest.mark.parametrize("ending", [".distcp", ".metadata"])
def test_distributed_checkpoints_are_refused(tmp_path, ending):
    path = tmp_path / f"0_0{ending}"
    paddle.save(network().state_dict(), str(path))
    with pytest.raises(RefusedError, match="is a part of a distributed checkpoint") as error:
        read(path)
    assert "paddle.distributed.load_state_dict" in error.value.help


def test_safetensors_by_paddle_have_its_layout(tmp_path):
    state = network().state_dict()
    paddle.save(state, str(tmp_path / "s.safetensors"), safetensors=True)
    checkpoint = read(tmp_path / "s.safetensors")
    assert (checkpoint.format, checkpoint.layout) == ("safetensors", "paddle")
    assert_same(checkpoint.tensors, state)
