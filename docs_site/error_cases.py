"""Command lines that cannot be carried out, and the files that they name."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from odconv.demonstration.files import lay_out
from odconv.main import main

_M: Final = "--model digits.json"
_KERNEL: Final = "classifier.1.weight"
FRAMEWORKS: Final = ("torch", "paddle", "keras", "tensorflow", "jax")

Arrays = dict[str, Any]


class Case(NamedTuple):
    """One command line, and the packages that it must not find."""

    command: str
    without: tuple[str, ...] = ()


def _cases(*commands: str) -> tuple[Case, ...]:
    return tuple(map(Case, commands))


CASES: Final[Mapping[str, tuple[Case, ...]]] = {
    "The command line": _cases(
        "odconv inspct digits.pth.tar",
        "odconv convert digits.pth.tar",
        "odconv inspect digits.pth.tar --arays",
        f"odconv convert digits.pth.tar new.pth {_M} --dtype float12",
        f"odconv convert digits.pth.tar new.pth {_M} --max-shard-size lots",
        f"odconv predict digits.pth.tar cat.png {_M} --top 0",
        f"odconv export digits.pth.tar new.onnx {_M} --mean one",
    ),
    "Files": _cases(
        "odconv inspect absent.pth",
        "odconv inspect folder",
        "odconv inspect empty.pth",
        "odconv inspect half.pth",
        "odconv inspect notes.txt",
        "odconv inspect page.pth",
        "odconv inspect pointer.pth",
        "odconv inspect script.pt",
        "odconv inspect code.pth",
        "odconv inspect two.pdparams",
        f"odconv convert digits.pth.tar new.pth {_M} --key ema",
    ),
    "Destinations": _cases(
        f"odconv convert digits.pth.tar new.xyz {_M}",
        f"odconv convert digits.pth.tar new.onnx {_M}",
        f"odconv convert digits.pth.tar absent/new.pdparams {_M}",
        f"odconv convert digits.pth.tar digits.npz {_M}",
        f"odconv convert digits.pth.tar digits.pth.tar {_M} --overwrite",
        f"odconv convert digits.pth.tar new.pdparams {_M} --max-shard-size 1MB",
        f"odconv convert digits.pth.tar new.pth {_M} --report new.pth",
        "odconv demo digits.json",
    ),
    "Models": _cases(
        "odconv convert digits.pth.tar new.pth",
        "odconv convert digits.pth.tar new.pth --model od_resnet81",
        "odconv convert digits.pth.tar new.pth --model absent.json",
        "odconv convert digits.pth.tar new.pth --model notes.json",
        "odconv convert digits.pth.tar new.pth --stages '1,16,1'",
        f"odconv convert digits.pth.tar new.pth {_M} --stages '1,16,1,1'",
        f"odconv convert digits.pth.tar new.pth {_M} --prefix student",
        f"odconv convert digits.pth.tar new.pth {_M} --ignore 'criterion.*'",
        f"odconv convert short.npz new.pth {_M}",
        f"odconv convert transposed.npz new.pth {_M}",
        f"odconv convert longer.npz new.pth {_M}",
        f"odconv convert digits.pth.tar new.pth {_M} --names mmdetection",
    ),
    "Values": _cases(
        f"odconv convert nan.npz new.pth {_M}",
        f"odconv convert digits.pth.tar new.pth {_M} --dtype float16",
        f"odconv convert large.npz new.pth {_M} --dtype float16 --allow-half-statistics",
    ),
    "Comparisons": _cases(
        f"odconv verify digits.pth.tar {_M}",
        f"odconv verify digits.pth.tar changed.npz {_M}",
        f"odconv verify digits.pth.tar digits.npz {_M} --runtime torch",
        f"odconv verify digits.pth.tar digits.npz {_M} --outputs --runtime caffe",
        f"odconv diff digits.pth.tar changed.npz {_M}",
    ),
    "Packages that are missing": (
        Case(f"odconv evaluate digits.pth.tar {_M} --data digits", FRAMEWORKS),
        Case(f"odconv predict digits.pth.tar cat.png {_M} --framework keras", FRAMEWORKS),
        Case(
            f"odconv evaluate digits.pth.tar {_M} --data digits --framework keras", ("tensorflow",)
        ),
        Case(f"odconv attend digits.pth.tar --images folder {_M} --framework paddle", FRAMEWORKS),
        Case(f"odconv verify digits.pth.tar digits.npz {_M} --outputs", FRAMEWORKS),
        Case("odconv demo demo --runtime keras-jax", FRAMEWORKS),
        Case(f"odconv export digits.pth.tar new.onnx {_M}", FRAMEWORKS),
        Case(f"odconv export digits.pth.tar new.onnx {_M}", ("onnx",)),
        Case(f"odconv export digits.pth.tar new.xml {_M}", ("openvino",)),
        Case(f"odconv export digits.pth.tar new.tflite {_M}", ("keras",)),
        Case(f"odconv export digits.pth.tar new.saved_model {_M}", ("keras",)),
        Case(f"odconv export digits.pth.tar new.pdiparams {_M}", ("paddle",)),
        Case(f"odconv predict digits.pth.tar cat.png {_M} --framework torch", ("PIL",)),
        Case("python -m odconv_torch.train", FRAMEWORKS),
        Case("python -m odconv_keras.train", FRAMEWORKS),
        Case("python -m odconv_torch.detect evaluate model.pth --data coco", ("torchvision",)),
        Case("python -m parity_tests --runtime paddle", FRAMEWORKS),
    ),
    "Images": _cases(
        f"odconv evaluate digits.pth.tar {_M} --data absent --framework torch",
        f"odconv evaluate digits.pth.tar {_M} --data digits --framework onnxruntime",
        f"odconv evaluate digits.pth.tar {_M} --data digits --picture page.html --framework torch",
        "odconv evaluate absent.onnx --data digits",
        f"odconv predict digits.pth.tar absent.png {_M} --framework torch",
        f"odconv attend digits.pth.tar --images folder {_M} --framework torch",
        f"odconv attend digits.pth.tar --images digits {_M} --output page --framework torch",
    ),
    "Exports": _cases(
        f"odconv export digits.pth.tar new.xyz {_M}",
        f"odconv export digits.pth.tar new.onnx {_M} --format openvino",
        f"odconv export digits.pth.tar new.xml {_M} --opset 18",
        f"odconv export digits.pth.tar new.onnx {_M} --int8",
        f"odconv export digits.pth.tar new.onnx {_M} --calibrate photos",
        f"odconv export digits.pth.tar new.onnx {_M} --int8 --calibrate absent",
        f"odconv export digits.pth.tar new.onnx {_M} --int8 --calibrate folder",
        f"odconv export digits.pth.tar new.onnx {_M} --int8 --half --calibrate digits",
        f"odconv export digits.pth.tar new.pt2 {_M} --half",
        f"odconv export digits.pth.tar new.onnx {_M} --size 30",
        f"odconv export digits.pth.tar new.onnx {_M} --features --softmax",
        f"odconv export digits.pth.tar new.onnx {_M} --features 7",
        f"odconv export digits.pth.tar new.onnx {_M} --labels notes.txt",
        f"odconv export digits.pth.tar new.onnx {_M} --mean 1,2",
        f"odconv export digits.pth.tar new.onnx {_M} --std 0",
        f"odconv export digits.pth.tar new.onnx {_M} --mean-std graph",
        f"odconv export digits.pth.tar new.onnx {_M} --tolerance -1",
    ),
    "Trainings": _cases(
        "python -m odconv_torch.train --model od_resnet81",
        "python -m odconv_torch.train --option kernel_num=4",
        "python -m odconv_torch.train --model od_resnet18 --option kernels=4 --data photos",
        "python -m odconv_torch.train --model od_resnet18 --option kernel_num --data photos",
        "python -m odconv_torch.train --model od_resnet18 --data absent",
        "python -m odconv_torch.train --spec notes.json",
        "python -m odconv_torch.train --start absent.pth",
        "python -m odconv_torch.train --milestones 3",
        "python -m odconv_torch.train --milestones 3 --step-epochs 2",
        "python -m odconv_torch.train --lr -1",
        "python -m odconv_torch.train --epochs 0",
        "python -m odconv_torch.train --freeze-stages 9",
        "python -m odconv_torch.train --evaluate",
    ),
}


def write_files(folder: Path) -> None:
    """Writes what the cases name: the checkpoint of `odconv demo`, and what is wrong about it."""
    lay_out(folder)
    whole = (folder / "digits.pth.tar").read_bytes()
    (folder / "half.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pth").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "notes.json").write_text("{}")
    (folder / "notes.txt").write_text("cat\ndog\nowl\n")
    (folder / "page.pth").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (folder / "pointer.pth").write_text(pointer)
    (folder / "code.pth").write_bytes(pickle.dumps({"weight": _Code()}, protocol=2))
    with zipfile.ZipFile(folder / "script.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"model/{name}", b"x")
    _write_arrays(folder)


def _write_arrays(folder: Path) -> None:
    """Writes the checkpoint as .npz, and changed in one way each."""
    source, plain = folder / "digits.pth.tar", folder / "digits.npz"
    main(["convert", str(source), str(plain), "--model", str(folder / "digits.json"), "--quiet"])
    with np.load(plain) as file:
        arrays = {name: file[name] for name in file.files if not name.startswith("__")}
    for name, change in _CHANGES.items():
        np.savez(folder / f"{name}.npz", **change(dict(arrays)))
    # As Paddle pickles them: a tensor is a pair of name and array.
    pairs = {name: (name, array) for name, array in arrays.items()}
    content = {"state_dict": pairs, "state_dict_ema": pairs}
    (folder / "two.pdparams").write_bytes(pickle.dumps(content, protocol=4))


class _Code:
    """What a checkpoint must not hold: opened by pickle, it would run a program."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("true",)


def _with_first(value: float) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        kernel = arrays[_KERNEL].copy()
        kernel[0, 0] = value
        return {**arrays, _KERNEL: kernel}

    return change


_CHANGES: Final[Mapping[str, Callable[[Arrays], Arrays]]] = {
    "short": lambda arrays: {name: a for name, a in arrays.items() if name != _KERNEL},
    "longer": lambda arrays: {**arrays, "criterion.centers": np.zeros((10, 8), "float32")},
    "transposed": lambda arrays: {**arrays, _KERNEL: arrays[_KERNEL].T.copy()},
    "changed": _with_first(0.5),
    "nan": _with_first(float("nan")),
    "large": _with_first(70000.0),
}
