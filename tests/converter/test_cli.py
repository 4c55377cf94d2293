"""The command line: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from odconv.main import main
from odconv.published_table import published_table
from odconv_spec import list_models, model_spec
from odconv_spec.published import Published
from tests.converter.helpers import SMALL_RESNET, arrays_of, save

SPEC = model_spec("od_resnet18", **SMALL_RESNET)


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))


EXAMPLE = Path(__file__).parents[2] / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"


DIGITS = str(Path(__file__).parents[2] / "examples" / "digits.json")


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
    assert len(out.splitlines()) == 1 + len(list_models())


def test_sizes_at_another_image_and_beside_the_published_ones(capsys):
    assert main(["models", "--size", "112"]) == 0
    assert "resnet18                11,689,512     485" in capsys.readouterr().out
    assert main(["models", "--published"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(
        line.endswith("ok") or re.search("(differs|comparable): ", line) for line in lines[1:]
    )
    assert any(line.startswith("cond_resnet50 ") and "129.8658" in line for line in lines)


def test_a_row_that_is_not_reproduced_says_why():
    rows = (
        Published("resnet18", "11.70", reason="counted otherwise"),
        Published("resnet18", "", reason="no code"),
        Published("resnet18", "11.69", "1815", work_reason="less work"),
    )
    _, *lines = published_table(rows).splitlines()
    assert [re.split("  +", line)[2:] for line in lines] == [
        ["11.70", "11.6895", "-0.0105", "differs: counted otherwise"],
        ["-", "11.6895", "-", "not comparable: no code"],
        ["11.69", "11.6895", "-0.0005", "ok"],
        ["1815", "1814.0739", "-0.9261", "differs: less work"],
    ]


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


def test_a_dry_run_writes_nothing(source, tmp_path, capsys):
    assert main(["convert", str(source), str(tmp_path / "b.pdparams"), "--dry-run"]) == 0
    assert "nothing was written (dry run)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [source]
    (tmp_path / "b.pdparams").write_bytes(b"older")
    for option, note in (
        ([], "note: b.pdparams exists already; without --over"),
        (["--overwrite"], ""),
    ):
        words = ["convert", str(source), str(tmp_path / "b.pdparams"), "--dry-run", "--json"]
        assert main([*words, *option]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["files"] == [] and err.startswith(note) and bool(err) == bool(note)
    assert (tmp_path / "b.pdparams").read_bytes() == b"older"


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
    assert main(["convert", str(source), target, "--json", "--quiet"]) == 2


def test_inspect_shows_ranges(source, capsys):
    assert main(["inspect", str(source), "--stats"]) == 0
    array = arrays_of(SPEC)["fc.bias"]
    assert f"(5,) F32  {array.min():.4g} to {array.max():.4g}" in capsys.readouterr().out


def test_files_are_parsed_in_a_child_process(source, tmp_path, monkeypatch):
    """With --isolate, this process opens the source for nothing but its digest."""
    monkeypatch.setattr("weights_converter.formats.format_in", None)  # every reader needs it
    target = str(tmp_path / "b.weights.h5")
    assert main(["convert", str(source), target, "--isolate", "--no-proof", "--quiet"]) == 0
    assert main(["inspect", target, "--isolate"]) == 0
    assert main(["verify", str(source), target, "--isolate"]) == 0
    assert main(["diff", str(source), target, "--isolate"]) == 0
    cut = broken(tmp_path, "cut.weights.h5", Path(target).read_bytes()[:20_000])
    assert main(["inspect", str(cut), "--isolate"]) == 4
