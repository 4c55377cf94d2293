"""The command line: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter import cli_options
from weights_converter.cli import main

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
EXAMPLE = Path(__file__).parents[2] / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"
DIGITS = str(Path(__file__).parents[2] / "examples" / "digits.json")


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))


def test_convert_verify_inspect(source, tmp_path, capsys):
    target = tmp_path / "b.weights.h5"
    assert main(["convert", str(source), str(target)]) == 0
    out = capsys.readouterr().out
    assert "a.pth -> b.weights.h5 (keras-h5)" in out
    assert "all bits equal when read back" in out
    assert main(["verify", str(source), str(target)]) == 0
    assert "108 of 108 arrays" in capsys.readouterr().out
    assert main(["inspect", str(target), "--arrays"]) == 0
    assert "layer1/0/conv1/attention/fc/vars/0" in capsys.readouterr().out
    assert main(["inspect", str(source), "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out)["model"] == "od_resnet_custom (kernel_num=1, 5 classes)"
    )


def test_quiet_says_nothing(source, tmp_path, capsys):
    assert main(["convert", str(source), str(tmp_path / "b.pdparams"), "--quiet"]) == 0
    assert main(["verify", str(source), str(tmp_path / "b.pdparams"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_models_are_listed_with_their_sizes(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "od_resnet18             11,943,944   1,830,172,848" in out
    assert len(out.splitlines()) == 29


def test_sizes_at_another_image_and_beside_the_published_ones(capsys):
    assert main(["models", "--size", "112"]) == 0
    assert "resnet18                11,689,512     485" in capsys.readouterr().out
    assert main(["models", "--published"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "parameters" in line and not line.endswith("ok")] == []
    assert any(line.startswith("cond_resnet50 ") and "129.8658" in line for line in lines)


@pytest.mark.parametrize(
    "option", [["--model", DIGITS], ["--stages", "1,32,1,1 4,48,1,2 4,64,1,2"]]
)
def test_a_stage_table_of_ones_own(tmp_path, option):
    target = str(tmp_path / "digits.pdparams")
    assert main(["convert", str(EXAMPLE), target, *option, "--quiet"]) == 0
    assert main(["verify", str(EXAMPLE), target, *option, "--quiet"]) == 0


def broken(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_exit_codes(source, tmp_path, capsys):
    target = str(tmp_path / "b.pdparams")
    other = arrays_of(SPEC, seed=1)
    different = save(tmp_path / "other.pth", SPEC, other)
    command = f"touch {tmp_path}/pwned".encode()
    call = b"\x80\x02cposix\nsystem\nX" + len(command).to_bytes(4, "little") + command + b"\x85R."
    evil = broken(tmp_path, "evil.pdparams", call)
    cases = {
        1: [
            ["verify", str(source), str(different)],
            ["convert", str(source), target, "--model", "od_resnet34"],
            ["convert", str(EXAMPLE), target],
        ],
        2: [
            ["convert", str(source), str(tmp_path / "b.onnx")],
            ["convert", str(source), target, "--model", "vgg16"],
            ["convert", str(source), target, "--model", __file__.replace(".py", ".json")],
        ],
        3: [["convert", str(evil), target]],
        4: [
            ["convert", str(broken(tmp_path, "empty.pth", b"")), target],
            ["inspect", str(broken(tmp_path, "page.pth", b"<!DOCTYPE html><html></html>"))],
            ["convert", str(broken(tmp_path, "cut.pth", source.read_bytes()[:9000])), target],
        ],
        5: [["inspect", str(tmp_path / "absent.pth")], ["convert", str(source), str(different)]],
    }
    cases[5].append(cases[2].pop())  # a spec file that is not there is the file system's matter
    for code, commands in cases.items():
        for command in commands:
            assert main(command) == code, command
            if code != 1 or command[0] != "verify":
                assert capsys.readouterr().err.startswith("error: ")
    assert not Path(target).exists()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "words", [[], ["convert"], ["nonsense"], ["convert", "a", "b", "--stages", "x"]]
)
def test_wrong_usage_is_explained(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: odconv" in capsys.readouterr().err


def test_no_framework_is_needed(tmp_path):
    """The official file, converted in a process in which importing a framework raises."""
    code = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "paddle", "keras", "tensorflow", "jax"}:
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
from weights_converter.cli import main
for ending in ("pdparams", "weights.h5", "safetensors", "pth"):
    assert main(["convert", sys.argv[1], f"{sys.argv[2]}/x.{ending}", "--model", sys.argv[3]]) == 0
"""
    run = subprocess.run(
        [sys.executable, "-c", code, EXAMPLE, tmp_path, DIGITS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # no progress bar where there is no terminal


@pytest.mark.parametrize("command", ["", "inspect", "convert", "verify", "diff", "models"])
def test_help_tells_the_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for line in ("0  done; equal", "3  refused", "4  the file is damaged", "5  the file system"):
        assert line in out


def test_a_dry_run_writes_nothing(source, tmp_path, capsys):
    assert main(["convert", str(source), str(tmp_path / "b.pdparams"), "--dry-run"]) == 0
    assert "nothing was written (dry run)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [source]


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
    assert cli_options.size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "2 apples", "1e9", "0"])
def test_sizes_that_are_none(source, tmp_path, text, capsys):
    words = ["convert", str(source), str(tmp_path / "b.safetensors"), f"--max-shard-size={text}"]
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    assert code == 2 and "expected a size" in capsys.readouterr().err


def test_several_files(source, tmp_path, capsys):
    words = ["convert", str(source), "--max-shard-size", "20KB"]
    for name, index in (
        ("b.safetensors", "b.safetensors.index.json"),
        ("c.weights.h5", "c.weights.json"),
        ("d.safetensors.index.json", "d.safetensors.index.json"),
    ):
        assert main([*words, str(tmp_path / name)]) == 0
        assert main(["verify", str(source), str(tmp_path / index)]) == 0
    assert main([*words, str(tmp_path / "b.pth")]) == 2
    assert main(["convert", str(source), str(tmp_path / "e.safetensors.index.json")]) == 2
    assert main([*words, str(tmp_path / "b.safetensors")]) == 5  # its index exists
    assert "pass --overwrite" in capsys.readouterr().err


def test_json_of_every_command(source, tmp_path, capsys):
    target = str(tmp_path / "b.safetensors")
    for words in (
        ["convert", str(source), target],
        ["verify", str(source), target],
        ["verify", target],
        ["diff", str(source), target],
        ["inspect", target, "--stats"],
        ["models"],
    ):
        assert main([*words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["convert", str(source), target, "--json", "--quiet"])


def test_inspect_shows_ranges(source, capsys):
    assert main(["inspect", str(source), "--stats"]) == 0
    array = arrays_of(SPEC)["fc.bias"]
    assert f"(5,) F32  {array.min():.4g} to {array.max():.4g}" in capsys.readouterr().out


def test_files_are_parsed_in_a_child_process(source, tmp_path, monkeypatch):
    """With --isolate, this process opens the source for nothing but its digest."""
    monkeypatch.setattr("weights_converter.formats.read", None)
    target = str(tmp_path / "b.weights.h5")
    assert main(["convert", str(source), target, "--isolate", "--no-proof", "--quiet"]) == 0
    assert main(["inspect", target, "--isolate"]) == 0
    assert main(["verify", str(source), target, "--isolate"]) == 0
    assert main(["diff", str(source), target, "--isolate"]) == 0
    cut = broken(tmp_path, "cut.weights.h5", Path(target).read_bytes()[:20_000])
    assert main(["inspect", str(cut), "--isolate"]) == 4


def test_an_interrupt_is_no_traceback(source, tmp_path, monkeypatch, capsys):
    def interrupt(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("weights_converter.cli.convert", interrupt)
    assert main(["convert", str(source), str(tmp_path / "b.pdparams")]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_nobody_reads_the_output(source):
    command = [sys.executable, "-m", "weights_converter.cli", "inspect", str(source), "--arrays"]
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (run.returncode, run.stderr) == (141, b"")


@pytest.mark.parametrize(("error", "code"), [(MemoryError(), 5), (OSError(28, "No space left"), 5)])
def test_what_the_system_refuses(source, tmp_path, monkeypatch, capsys, error, code):
    def refuse(*words, **options):
        raise error

    monkeypatch.setattr("weights_converter.cli.convert", refuse)
    assert main(["convert", str(source), str(tmp_path / "b.pdparams")]) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_names_that_the_terminal_cannot_show(tmp_path):
    path = save(tmp_path / "modèle.pth", SPEC, arrays_of(SPEC))
    command = [sys.executable, "-m", "weights_converter.cli", "inspect", str(path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert run.returncode == 0 and b"mod\\xe8le.pth" in run.stdout


def test_no_file_is_opened_but_the_named_ones(source, tmp_path):
    """An audit hook writes down every file that is opened to be read or written."""
    code = """
import os, sys
from weights_converter.cli import main
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.fsdecode(arguments[0]))
main(["inspect", sys.argv[1]])
sys.addaudithook(hook)
for ending in ("pdparams", "weights.h5", "safetensors", "pth"):
    assert main(["convert", sys.argv[1], f"{sys.argv[2]}/x.{ending}", "--quiet"]) == 0
print("|".join(sorted(opened)))
"""
    (tmp_path / "out").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    )
    opened = {Path(name) for name in run.stdout.splitlines()[-1].split("|")}
    elsewhere = {p for p in opened if p != source and tmp_path / "out" not in (p, p.parent)}
    # The interpreter looks up modules, and the release of this package.
    own = {p for p in elsewhere if p.suffix in (".py", ".pyc") or p.parent.name.endswith("-info")}
    assert {p for p in elsewhere - own if not p.is_relative_to(sys.prefix)} == set()
