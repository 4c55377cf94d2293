"""The official code beside ours: what stands for it here is our own networks."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import (
    OFFICIAL_CODE,
    Network,
)
from benchmarks.selection import Selection
from benchmarks.table import line, table
from tests.benchmark_records import OFFICIAL_FIGURES, record

# What a clone of the official code has, in our own layers.
STAND_IN = """
from odconv_torch import create_model

def resnet18(dropout): return create_model("resnet18")
def mobilenetv2_100(dropout): return create_model("mobilenetv2_100")
def od_resnet18(dropout, kernel_num): return create_model("od_resnet18", kernel_num=kernel_num)
def od_mobilenetv2_100(dropout, kernel_num):
    return create_model("od_mobilenetv2_100", kernel_num=kernel_num)
"""
WRONG = """
from odconv_torch import set_temperature

def od_resnet18(dropout, kernel_num):
    model = create_model("od_resnet18", kernel_num=kernel_num)
    set_temperature(model, 7.0)
    return model
"""


def clone(folder, text):
    for name in ("models/od_resnet.py", "models/od_mobilenetv2.py", "modules/odconv.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "models/__init__.py").write_text(text)
    return folder


def run_beside(folder, tmp_path, case):
    options = ["--only", "official", "--official", str(folder), "--cases", case]
    return main([*options, "--output", str(tmp_path / "out")])


def test_the_official_code_stands_beside_ours(tmp_path):
    folder = clone(tmp_path, STAND_IN)
    assert run_beside(folder, tmp_path, "*mobilenetv2_100/od-1x/inference/batch-1") == 0
    (record,) = json.loads((tmp_path / "out/results.json").read_text())["records"]
    assert record["figures"].keys() == OFFICIAL_FIGURES.keys()
    assert all(len(figures) == 7 for figures in record["figures"].values())
    assert record["difference"] < 1e-4
    assert record["ratios"].keys() >= {
        "ours / official",
        "ours / better static",
        "ours / static channels_last",
        "ours channels_last / ours",
    }


def test_official_code_that_computes_something_else_is_an_error(tmp_path, capsys):
    folder = clone(tmp_path, STAND_IN + WRONG)
    assert run_beside(folder, tmp_path, "*/resnet18/od-4x/inference/batch-1") == 2
    assert "expected ours to compute what official does" in capsys.readouterr().err


def test_official_code_that_is_not_there_is_an_error(tmp_path, capsys):
    for folder, words in (
        (["--official", str(tmp_path)], "found no models/od_resnet.py"),
        ([], "expected --official FOLDER"),
    ):
        with pytest.raises(SystemExit):
            main(["--only", "official", *folder])
        assert words in capsys.readouterr().err


def test_the_official_selection_has_every_network_and_the_layers_that_circulate():
    cases = list(Selection(official=True, groups=(OFFICIAL_CODE,)).cases("torch"))
    networks = [case for case in cases if isinstance(case.subject, Network)]
    assert len(networks) == len({case.id for case in networks}) == 3 * 2 * 4
    layers = {(str(c.subject), c.kind, c.mode, c.batch) for c in cases if c not in networks}
    kinds = {"dy", "cond"} if find_spec("timm") else {"dy"}
    assert len(layers) == 4 * len(kinds) * 3
    assert not list(Selection(official=True, groups=(OFFICIAL_CODE,)).cases("paddle"))


def test_ours_stands_beside_the_better_static_network():
    found = record(OFFICIAL_CODE, Network("resnet18"), figures=OFFICIAL_FIGURES)
    assert found.ratio("ours", "better static").median == pytest.approx(2)
    slow = OFFICIAL_FIGURES | {"official static": [9.0] * 3}
    worse = record(OFFICIAL_CODE, Network("resnet18"), figures=slow)
    assert worse.ratio("ours", "better static").median == pytest.approx(4 / 2.4)
    head, _, row = table([found], "AVX2").splitlines()[2:]
    assert "| ours / official | ours / better static |" in head and head.endswith("difference |")
    assert row.count("|") == head.count("|") and "| 4.20 | 2.20 | 0.53 " in row
    assert "4.00 x static" not in line(found) and "official 1.90 x ours" in line(found)
