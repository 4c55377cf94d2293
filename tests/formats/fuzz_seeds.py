"""One small file of each kind that is fuzzed; run by `tests.formats.fuzz` before it starts.

    python -m tests.formats.fuzz_seeds FOLDER

`SEEDS` lists functions that write into an empty folder and return the file that is to be read.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from argparse import Namespace
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import paddle
import torch
from safetensors.numpy import save_file

from tests.converter.bundles import VALUE, Bundle
from tests.converter.crafted import every_dtype
from tests.converter.crafted_torch import tar
from weights_converter.arrays.tensor import Tensor
from weights_converter.formats import write, write_shards

Seed = Callable[[Path], Path]


def torch_network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))


def torch_archive(folder: Path) -> Path:
    content = {"epoch": 3, "state_dict": torch_network().state_dict(), "acc": np.float32(1.5)}
    torch.save(content, folder / "x.pth")
    return folder / "x.pth"


def torch_archive_without_sums(folder: Path) -> Path:
    """Its pickle can be changed without the checksum giving it away."""
    return _without_sums(torch_archive(folder))


def _without_sums(path: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    raw = bytearray(path.read_bytes())
    place = -1
    for _ in names:
        place = raw.index(b"PK\x01\x02", place + 1)
        raw[place + 16 : place + 20] = bytes(4)
    path.write_bytes(raw)
    return path


def torch_module(folder: Path) -> Path:
    torch.save(torch_network(), folder / "x.pt", _use_new_zipfile_serialization=False)
    return folder / "x.pt"


class Methods(torch.nn.Conv2d):
    """Has things among its attributes that are no weights."""

    def __init__(self) -> None:
        super().__init__(2, 3, 3)
        self.method, self.options = self.extra_repr, {(1, 2): Fraction(1, 2), "a": {"b"}}
        self.register_buffer("unsaved", torch.ones(2), persistent=False)


def torch_module_with_methods(folder: Path) -> Path:
    content = {"epoch": 3, "model": torch.nn.Sequential(Methods()), "args": Namespace(a=1)}
    torch.save(content, folder / "x.pt")
    return _without_sums(folder / "x.pt")


def torch_objects(folder: Path) -> Path:
    """What is left out."""
    beside = [Fraction(1, 2), np.array(["a"]), np.random.default_rng(0), range(3), {1.5: 2}, 1j]
    content = {"state_dict": torch_network().state_dict(), "beside": beside}
    torch.save(content, folder / "x.pt", pickle_protocol=4)
    return _without_sums(folder / "x.pt")


def torch_legacy(folder: Path) -> Path:
    state = torch_network().state_dict()
    torch.save({"state_dict": state}, folder / "x.pth", _use_new_zipfile_serialization=False)
    return folder / "x.pth"


def torch_legacy_newer_protocol(folder: Path) -> Path:
    content = {"state_dict": torch_network().state_dict(), "tags": {"a"}}
    torch.save(content, folder / "x.pth", pickle_protocol=4, _use_new_zipfile_serialization=False)
    return folder / "x.pth"


def torch_tar(folder: Path) -> Path:
    (folder / "x.pth").write_bytes(tar())
    return folder / "x.pth"


def paddle_network() -> paddle.nn.Layer:
    return paddle.nn.Sequential(paddle.nn.Conv2D(2, 3, 3), paddle.nn.BatchNorm2D(3))


def _paddle(folder: Path, protocol: int) -> Path:
    content = {"epoch": 3, "state_dict": paddle_network().state_dict()}
    paddle.save(content, str(folder / "x.pdparams"), protocol=protocol)
    return folder / "x.pdparams"


def paddle_2(folder: Path) -> Path:
    return _paddle(folder, 2)


def paddle_4(folder: Path) -> Path:
    return _paddle(folder, 4)


def paddle_objects(folder: Path) -> Path:
    content = {"state_dict": {"w": np.ones(3)}, "beside": [Fraction(1, 2), Namespace(a=1), 1j]}
    (folder / "x.pdparams").write_bytes(pickle.dumps(content, 4))
    return folder / "x.pdparams"


def paddle_split(folder: Path) -> Path:
    info = {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}}
    parts = {"w@@.0": np.ones(4), "w@@.1": np.ones(2), "UnpackBigParamInfor@@": info}
    (folder / "x.pdparams").write_bytes(pickle.dumps(parts, 3))
    return folder / "x.pdparams"


def paddle_program(folder: Path) -> Path:
    network = paddle_network()
    network.eval()
    spec = paddle.static.InputSpec([1, 2, 5, 5], "float32")
    paddle.jit.save(network, str(folder / "x"), input_spec=[spec])
    return folder / "x.pdiparams"


def pickled_arrays(folder: Path) -> Path:
    arrays = {"w": np.arange(6.0), "b": np.ones(2000, ">i2"), "f": np.ones((2, 3), order="F")}
    (folder / "x.pdparams").write_bytes(pickle.dumps(arrays, 5))
    return folder / "x.pdparams"


def _ours(folder: Path, format: str) -> Path:
    tensors = [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]
    write(folder / "x", format, tensors, {"a": "1"})
    return folder / "x"


def our_torch(folder: Path) -> Path:
    return _ours(folder, "torch")


def our_pdparams(folder: Path) -> Path:
    return _ours(folder, "pdparams")


def our_safetensors(folder: Path) -> Path:
    return _ours(folder, "safetensors")


def our_npz(folder: Path) -> Path:
    return _ours(folder, "npz")


def safetensors(folder: Path) -> Path:
    save_file({"a": np.ones((2, 3)), "b": np.ones(3, "i4")}, folder / "x", {"format": "pt"})
    return folder / "x"


def safetensors_set(folder: Path) -> Path:
    index = folder / "x.safetensors.index.json"
    tensors = [Tensor.of(f"w{i}", np.full((2, 3), i, "float32")) for i in range(4)]
    write_shards(index, tensors, {"a": "1"}, 50)
    return index


def npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", a=np.ones((2, 3)), b=np.arange(3), text=np.array("a"))
    return folder / "x.npz"


def npz_compressed(folder: Path) -> Path:
    handle = io.BytesIO()
    np.savez_compressed(handle, a=np.ones((20, 3)), b=np.arange(300))
    (folder / "x.npz").write_bytes(handle.getvalue())
    return folder / "x.npz"


def tensorflow(folder: Path) -> Path:
    bundle = Bundle().add(f"a/b{VALUE}", np.ones((2, 3), "f4")).add(f"c{VALUE}", np.ones(3, "i8"))
    return bundle.add_graph({f"a/b{VALUE}": "net/a/kernel"}).write(folder)


SEEDS: tuple[Seed, ...] = (
    torch_archive,
    torch_archive_without_sums,
    torch_module,
    torch_module_with_methods,
    torch_objects,
    torch_legacy,
    torch_legacy_newer_protocol,
    torch_tar,
    paddle_2,
    paddle_4,
    paddle_objects,
    paddle_split,
    paddle_program,
    pickled_arrays,
    our_torch,
    our_pdparams,
    our_safetensors,
    our_npz,
    safetensors,
    safetensors_set,
    npz,
    npz_compressed,
    tensorflow,
)


def main(folder: Path) -> None:
    """Writes each seed into a folder of its own, and which file to read into `seeds.json`."""
    torch.manual_seed(0)
    paddle.seed(0)
    files = {}
    for seed in SEEDS:
        own = folder / seed.__name__
        own.mkdir()
        files[seed.__name__] = seed(own).name
    (folder / "seeds.json").write_text(json.dumps(files))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
