"""What else torch.save makes: arrays of NumPy, other kinds of tensors, parts of a whole."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from tests.converter.crafted import every_dtype
from tests.formats.torch_tensors import assert_same
from weights_converter import UsageError
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError
from weights_converter.formats import read, write
from weights_converter.formats.isolated.reader import read_isolated


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 16))
    return nn.Sequential(*layers).eval()


def in_numpy(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in state.items()}


def refusal(path) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        read(path)
    assert "refused" not in str(error.value) and "Nothing was executed" not in str(error.value)
    return error.value


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "weird"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_of_numpy_by_torch(tmp_path, zipped, wrapper, protocol):
    arrays = every_dtype()
    beside = {"epoch": 7, "best": torch.tensor(0.5)}
    content = arrays if wrapper is None else {wrapper: arrays, **beside}
    path = tmp_path / "np.pth"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    checkpoint = read(path)
    assert (checkpoint.layout, list(checkpoint.tensors)) == ("torch", list(arrays))
    assert_same(path, {name: torch.from_numpy(array) for name, array in arrays.items()})


def test_arrays_beside_a_state_dict_are_left_out(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    history = {f"loss{step}": np.zeros(3) for step in range(9)}
    torch.save({"weird": state, "history": history}, tmp_path / "x.pth")
    assert_same(tmp_path / "x.pth", state)
    with pytest.raises(UsageError):
        read(tmp_path / "x.pth", key="history")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_a_bare_pickle_of_arrays_has_the_axes_of_its_names(tmp_path, wrapper, protocol):
    """Of a square linear kernel only the names of the batch norm beside it tell the axes."""
    arrays = in_numpy(net().state_dict())
    path = tmp_path / "np.pth"
    path.write_bytes(pickle.dumps({wrapper: arrays} if wrapper else arrays, protocol))
    checkpoint = read(path)
    assert checkpoint.layout == "torch"
    assert checkpoint.notes[-1] == "a pickle of NumPy arrays with the names of a PyTorch model"
    assert_same(path, net().state_dict())
    paddle = {name.replace("running_mean", "_mean"): array for name, array in arrays.items()}
    paddle = {
        n.replace("running_var", "_variance"): a for n, a in paddle.items() if "num_" not in n
    }
    path.write_bytes(pickle.dumps(paddle, protocol))
    assert read(path).layout == "paddle"


def test_a_file_of_paddle_stays_one(tmp_path):
    write(tmp_path / "x.pdparams", "pdparams", [Tensor.of("w", np.ones(3, "f4"))], {})
    assert read(tmp_path / "x.pdparams").layout == "paddle"


def test_a_tensor_with_attributes(tmp_path):
    tensor = torch.arange(6.0).reshape(2, 3)
    tensor.tag = "mine"
    parameter = nn.Parameter(torch.ones(2))
    parameter.other = 3
    torch.save({"w": tensor, "p": parameter}, tmp_path / "a.pth")
    assert_same(tmp_path / "a.pth", {"w": tensor, "p": parameter.detach()})


class Ours(torch.Tensor):
    """A tensor of a class of its own."""


def kinds() -> dict[str, tuple[torch.Tensor, str, str]]:
    eye = torch.eye(3)
    int8 = torch.quantize_per_tensor(eye, 0.1, 0, torch.qint8)
    channels = torch.quantize_per_channel(eye, torch.ones(3), torch.zeros(3), 0, torch.quint8)
    nested = [torch.ones(2), torch.ones(3)]
    jagged = torch.nested.nested_tensor(nested, layout=torch.jagged)
    module = "torch.nested._internal.nested_tensor.NestedTensor"
    return {
        "coo": (eye.to_sparse(), "sparse tensors", "tensor.to_dense()"),
        "csr": (eye.to_sparse_csr(), "sparse tensors", "tensor.to_dense()"),
        "bsr": (torch.eye(4).to_sparse_bsr((2, 2)), "sparse tensors", "tensor.to_dense()"),
        "parameter": (nn.Parameter(eye.to_sparse()), "sparse tensors", "tensor.to_dense()"),
        "int8": (int8, "quantised tensors (int8)", "from before quantisation"),
        "channels": (channels, "quantised tensors (int8)", "from before quantisation"),
        "nested": (torch.nested.nested_tensor(nested), "nested tensors", "under a name of its own"),
        "jagged": (jagged, f"tensors of the class {module}", "as_subclass(torch.Tensor)"),
        "meta": (eye.to("meta"), "tensors on the meta device, which have no values", "load the"),
        "class": (eye.as_subclass(Ours), f"tensors of the class {__name__}.Ours", "as_subclass"),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", kinds())
def test_tensors_of_other_kinds_are_legal(tmp_path, kind, zipped):
    tensor, what, advice = kinds()[kind]
    path = tmp_path / "t.pth"
    torch.save({"w": torch.ones(2), "x.w": tensor}, path, _use_new_zipfile_serialization=zipped)
    error = refusal(path)
    assert str(error) == f"t.pth holds {what}: x.w"
    assert advice in error.help


@pytest.mark.filterwarnings("ignore")
def test_they_do_not_matter_beside_the_state_dict(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    torch.save({"state_dict": state, "extra": torch.eye(3).to_sparse()}, tmp_path / "a.pth")
    assert_same(tmp_path / "a.pth", state)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_network(tmp_path):
    example = torch.rand(2, 3, 4, 4)
    prepared = prepare_fx(net(), quantization.get_default_qconfig_mapping("x86"), (example,))
    prepared(example)
    torch.save(convert_fx(prepared).state_dict(), tmp_path / "fx.pth")
    assert str(refusal(tmp_path / "fx.pth")).startswith("fx.pth holds quantised tensors (int8): ")
    dynamic = quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 2)), dtype=torch.qint8)
    torch.save(dynamic.state_dict(), tmp_path / "dynamic.pth")
    assert str(refusal(tmp_path / "dynamic.pth")) == (
        "dynamic.pth holds quantised tensors (int8): 0._packed_params._packed_params"
    )
    torch.save(convert_fx(prepared), tmp_path / "whole.pth")
    with pytest.raises(RefusedError):
        read(tmp_path / "whole.pth")


@pytest.fixture
def one_process(monkeypatch, tmp_path):
    import torch.distributed as distributed

    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_tensors_that_are_spread_over_processes(tmp_path, one_process):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (1,))
    torch.save({"w": distribute_tensor(torch.ones(4, 3), mesh, [Shard(0)])}, tmp_path / "d.pth")
    error = refusal(tmp_path / "d.pth")
    assert str(error) == "d.pth holds tensors that are spread over processes: w"
    assert "full_state_dict=True" in error.help


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["", ".metadata", "__0_0.distcp"])
def test_a_distributed_checkpoint(tmp_path, name):
    """The advice is followed, too: torch's own converter makes a file that is read."""
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    state = net().state_dict()
    folder = tmp_path / "step100"
    checkpoint.save({"model": dict(state)}, checkpoint_id=folder)
    for reader in (read, read_isolated):
        with pytest.raises(RefusedError) as error:
            reader(folder / name)
        assert str(error.value) == f"{(folder / name).name} is a distributed checkpoint of PyTorch"
        assert error.value.help == (
            "make one file of it: python -m torch.distributed.checkpoint.format_utils "
            f"dcp_to_torch {folder} whole.pth"
        )
    dcp_to_torch_save(folder, tmp_path / "whole.pth")
    assert_same(tmp_path / "whole.pth", state)


@pytest.mark.parametrize(
    ("names", "what", "advice"),
    [
        (("0.metadata", "0_0.distcp"), "a distributed checkpoint of Paddle", "load_state_dict"),
        (("zero_to_fp32.py", "latest"), "a checkpoint of DeepSpeed, in parts", "zero_to_fp32.py"),
    ],
)
def test_folders_of_others(tmp_path, names, what, advice):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RefusedError, match=what) as error:
        read(tmp_path)
    assert advice in error.value.help
