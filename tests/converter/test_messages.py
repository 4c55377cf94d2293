"""What a user reads when something is wrong: the whole text, as the command prints it."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter import formats
from weights_converter.arrays.tensor import Tensor

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)


@pytest.fixture
def said(tmp_path, capsys):
    """Converts a file of the folder; the exit code, and what is on standard error."""

    def run(name, *words):
        code = main(["convert", str(tmp_path / name), str(tmp_path / "out.pdparams"), *words])
        assert not list(tmp_path.glob("*out*"))
        return code, capsys.readouterr().err.replace(str(tmp_path), "DIR")

    return run


def test_a_torchscript_archive(tmp_path, said):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"model/{name}", b"x")
    assert said("model.pt") == (
        3,
        "error: model.pt is a TorchScript archive\n"
        "help: save its weights: torch.save(torch.jit.load(path).state_dict(), ...)\n",
    )


def test_a_git_lfs_pointer(tmp_path, said):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / "ckpt.pth").write_text(text)
    assert said("ckpt.pth") == (
        4,
        "error: ckpt.pth is a git-lfs pointer, not the weights\nhelp: run git lfs pull\n",
    )


def test_a_web_page(tmp_path, said):
    (tmp_path / "ckpt.pth").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    assert said("ckpt.pth") == (
        4,
        "error: ckpt.pth looks like an HTML page\n"
        "help: open the link in a browser and download it\n",
    )


def test_two_state_dicts_in_one_file(tmp_path, said):
    # As Paddle pickles them, which needs no framework: a tensor is a pair of name and array.
    arrays = {name: (name, array) for name, array in arrays_of(SPEC).items()}
    content = {"state_dict": arrays, "state_dict_ema": arrays, "epoch": 3}
    with (tmp_path / "od.pdparams").open("wb") as handle:
        pickle.dump(content, handle, protocol=4)
    count = len(arrays)
    assert said("od.pdparams") == (
        2,
        f"error: od.pdparams holds several state dicts: state_dict ({count} tensors), "
        f"state_dict_ema ({count} tensors)\n"
        "help: choose one, for example --key state_dict_ema\n",
    )


def test_float16_overflow(tmp_path, said):
    arrays = arrays_of(SPEC)
    arrays["fc.weight"].reshape(-1)[:12] = np.linspace(-71234, -70000, 12)
    save(tmp_path / "od.pth", SPEC, arrays)
    assert said("od.pth", "--dtype", "float16", "--allow-half-statistics") == (
        3,
        "error: --dtype float16 would turn 12 values of fc.weight into Inf "
        "(max |x| 71234.0 > 65504)\n"
        "help: use --dtype bfloat16, or let them be Inf with --allow-overflow\n",
    )


def test_not_a_number(tmp_path, said):
    arrays = arrays_of(SPEC)
    arrays["bn1.running_var"][[3, 5]] = np.nan, np.inf
    save(tmp_path / "od.pth", SPEC, arrays)
    assert said("od.pth") == (
        3,
        "error: bn1.running_var has 1 NaN and 1 Inf (first at index 3)\n"
        "help: --allow-nonfinite keeps them\n",
    )


def test_a_wrong_architecture(tmp_path, said):
    save(tmp_path / "od.pth", SPEC, arrays_of(SPEC))
    code, text = said("od.pth", "--model", "od_resnet34")
    assert code == 1
    assert text.splitlines()[0] == (
        "error: the file holds od_resnet_custom (kernel_num=2, 5 classes); "
        "you asked for od_resnet34"
    )


def test_a_transposed_square_kernel(tmp_path, capsys):
    """Of the right shape, so that nothing but its values can tell."""
    arrays = arrays_of(SPEC)
    save(tmp_path / "od.pth", SPEC, arrays)
    kernel = arrays["layer1.0.conv2.weight"]
    arrays["layer1.0.conv2.weight"] = np.ascontiguousarray(kernel.swapaxes(3, 4))
    save(tmp_path / "x.weights.h5", SPEC, arrays, ".weights.h5")
    assert main(["verify", str(tmp_path / "od.pth"), str(tmp_path / "x.weights.h5")]) == 1
    differing = int((kernel != kernel.swapaxes(3, 4)).sum())
    apart = np.abs(kernel - kernel.swapaxes(3, 4)).max()
    count = len(SPEC.parameters())
    head, line = capsys.readouterr().out.splitlines()
    assert head == (
        f"od.pth and x.weights.h5: {count - 1} of {count} arrays of "
        "od_resnet_custom (kernel_num=2, 5 classes) have equal bits"
    )
    assert line.startswith(
        f"  layer1.0.conv2.weight  {differing} of {kernel.size} values differ, "
        f"by at most {apart:.3g}, "
    )


def test_a_transposed_linear_kernel(tmp_path, said):
    arrays = arrays_of(SPEC)
    arrays["fc.weight"] = np.ascontiguousarray(arrays["fc.weight"].T)
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "od.pth", "torch", tensors, {})
    assert said("od.pth") == (
        1,
        "error: fc.weight (12, 5) has 12 classes, fc.bias (5,) has not\n"
        "help: it looks transposed; was this file converted before?\n",
    )


def test_a_name_that_nobody_has_written(tmp_path, said):
    assert said("absent.pth") == (
        5,
        "error: cannot read DIR/absent.pth: No such file or directory\n",
    )


def test_the_source_as_destination(tmp_path, capsys):
    path = str(save(tmp_path / "od.pth", SPEC, arrays_of(SPEC)))
    assert main(["convert", path, path, "--overwrite"]) == 2
    assert capsys.readouterr().err == (
        "error: od.pth is the source itself, or a part of it\nhelp: write to another name\n"
    )
