"""The command line's options: what they take, and what they say of anything else."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from odconv.commands import SUMMARIES, command_named
from odconv.main import main
from odconv.options import size as size_of
from odconv.parser import parser_for
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter.formats import read

SPEC = model_spec("od_resnet18", **SMALL_RESNET)


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))


@pytest.mark.parametrize(
    ("words", "usage", "example"),
    [
        (["nonsense"], "[--help] [--version] COMMAND ...", "inspect model_best.pth.tar"),
        (["convert"], "convert SOURCE DESTINATION", "convert model_best.pth.tar model.pdparams"),
        (["convert", "a", "b", "--stages", "x"], "convert SOURCE", "convert model_best.pth.tar "),
        (["diff", "a", "b", "--frob", "c\nd"], "diff LEFT RIGHT", "diff epoch_90.pth.tar "),
        (["verify"], "verify LEFT [RIGHT]", "verify model_best.pth.tar model.pdparams"),
    ],
)
def test_wrong_usage_is_explained(words, usage, example, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    first, second, third, last = err.splitlines()
    assert first.startswith("error: ") and out == ""
    assert second.startswith(f"usage: odconv {usage}")
    assert third.startswith(f"example: odconv {example}")
    assert last == f"help: odconv {words[0]} --help".replace("nonsense ", "")


def test_no_words_are_answered_by_the_help(capsys):
    assert main([]) == 2
    err = capsys.readouterr().err
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == err


@pytest.mark.parametrize("command", ["", *SUMMARIES])
def test_help_tells_the_exit_codes(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    for line in ("0    done", "3    refused", "4    the file is damaged", "5    file system error"):
        assert line in out


@pytest.mark.parametrize("name", SUMMARIES)
def test_examples_are_commands(name):
    command = command_named(name)
    assert command.examples
    for example in command.examples:
        odconv, *words = example.split()
        options = parser_for(words).options(words)
        assert (odconv, words[0], options.run) == ("odconv", name, command.run)


def test_there_is_no_other_command():
    with pytest.raises(KeyError):
        command_named("nonsense")


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"odconv {version('odconv')}\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2", 2),
        ("2B", 2),
        ("1.5KB", 1500),
        ("2GB", 2 * 10**9),
        ("2GiB", 2 << 30),
        ("3 mb", 3 * 10**6),
    ],
)
def test_sizes(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "2 apples", "1e9", "0"])
def test_sizes_that_are_none(source, tmp_path, text, capsys):
    words = ["convert", str(source), str(tmp_path / "b.safetensors"), f"--max-shard-size={text}"]
    assert main(words) == 2 and "expected a size" in capsys.readouterr().err


@pytest.fixture
def outputs(monkeypatch):
    """Runs no framework; what a file's model gives is its first array, and is kept."""
    probes = []

    def give(request, runtime, probe):
        probes.append((Path(request.path).name, runtime, probe.shape))
        return {"conv1": next(iter(read(request.path).tensors.values())).load()}

    monkeypatch.setattr("parity_tests.outputs.verify.layer_outputs", give)
    monkeypatch.setattr("parity_tests.outputs.verify.check_runtime", lambda name: None)
    return probes


def test_outputs(source, tmp_path, outputs, capsys):
    arrays = arrays_of(SPEC)
    first = next(iter(arrays))
    other = save(tmp_path / "b.pth", SPEC, arrays | {first: arrays[first] * np.float32(1.01)})
    words = ["verify", str(source), str(other), "--outputs", "--runtime", "torch"]
    assert main(words) == 1
    assert "conv1" in capsys.readouterr().out.splitlines()[-1]
    assert main([*words, "--tolerance", "0.02", "--outputs-size", "96x72"]) == 0
    assert "every layer agrees to 0.02" in capsys.readouterr().out
    names = (("a.pth", "torch"), ("b.pth", "torch"))
    assert outputs == [(*n, (2, 3, *size)) for size in ((64, 48), (96, 72)) for n in names]
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["first_diverging_layer"] == "conv1"


@pytest.mark.parametrize("size", ["224", "0x3", "-1x5", "axb", "64 x 48", "100000x3"])
def test_sizes_of_no_image(source, size, capsys):
    assert main(["verify", str(source), "--outputs", f"--outputs-size={size}"]) == 2
    assert "expected a height and a width like 224x224" in capsys.readouterr().err


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf"])
def test_tolerances_that_are_none(source, tolerance, outputs, capsys):
    words = ["verify", str(source), str(source), "--outputs", f"--tolerance={tolerance}"]
    assert main(words) == 2 and not outputs
    assert "expected a tolerance of 0 or more" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--tolerance=0.1", "--outputs-size=8x8", "--runtime=torch"])
def test_options_of_outputs_alone(source, option, capsys):
    assert main(["verify", str(source), str(source), option]) == 2
    assert "help: add --outputs" in capsys.readouterr().err


def test_hdf5_is_isolated_unless_forbidden(source, tmp_path, monkeypatch):
    isolated = []

    def noted(path, key=None):
        isolated.append(path.name if isinstance(path, Path) else Path(path).name)
        return read(path, key)

    monkeypatch.setattr("weights_converter.formats.isolated.reader.read_isolated", noted)
    target = str(tmp_path / "b.weights.h5")
    assert main(["convert", str(source), target, "--quiet"]) == 0 and not isolated
    assert main(["inspect", target]) == 0
    assert main(["verify", str(source), target, "--quiet"]) == 0
    assert main(["diff", target, str(source), "--quiet"]) == 0
    assert main(["convert", target, str(tmp_path / "c.pth"), "--quiet"]) == 0
    assert isolated == ["b.weights.h5"] * 4
    assert main(["inspect", target, "--no-isolate"]) == 0 and len(isolated) == 4
    assert main(["inspect", str(source), "--isolate"]) == 0 and isolated[4:] == ["a.pth"]
