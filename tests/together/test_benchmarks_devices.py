"""Benchmarks on other devices and in half precision, and what they say of the machine."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.cases import (
    MEMORY,
    NETWORKS,
    Case,
    Network,
)
from benchmarks.conditions import Conditions
from benchmarks.machine import machine
from benchmarks.selection import Selection
from benchmarks.table import table
from benchmarks.worker import measured


class Device:
    """A framework that says how much a run takes, and has no room for one of them."""

    out_of_memory = (MemoryError,)

    def build(self, spec, arrays):
        return spec

    def publish(self, model):
        raise MemoryError

    def in_channels_last(self):
        return self

    def inference(self, model, x):
        return lambda: (np.ones(3),)

    def with_peak(self, run):
        return run(), 256.0

    def numpy(self, tensor):
        return tensor


def test_on_a_device_memory_stands_beside_time():
    case = Case(NETWORKS, Network("resnet18", 8), "od", 4, "inference", 2)
    conditions = Conditions(device="cuda", dtype="bfloat16")
    times, memory = measured(Device(), "torch", case, 1, conditions)
    assert (times.unit, memory.unit, memory.group) == ("ms", "MiB", MEMORY)
    assert memory.figures == {"static": [256.0], "published": [], "ours": [256.0]}
    assert len(times.figures["ours"]) == 1 and times.figures["published"] == []
    assert "| out of memory |" in table([times])
    assert times.to_dict()["ratios"].keys() == {"ours / static"}


def test_the_selection_of_a_gpu():
    cases = list(Selection(device="cuda", long=True).cases("torch"))
    assert {case.group for case in cases} == {NETWORKS}
    assert {case.batch for case in cases} == {32, 64, 128, 256}
    assert all({"static channels_last", "ours channels_last"} < {*c.variants} for c in cases)


def test_a_gpu_that_is_not_there_is_an_error(tmp_path, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU, which is no error")
    assert main(["--device", "cuda", "--output", str(tmp_path)]) == 2
    assert "torch.cuda.is_available() is False" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--device", "cuda", "--runtime", "paddle"])
    assert "expected --runtime torch, received paddle" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_half_precision(tmp_path, mode):
    case = f"layers/960-960-7-3x3-depthwise/od-4x/{mode}/batch-1"
    options = ["--long", "--dtype", "bfloat16", "--cases", case, "--output", str(tmp_path)]
    assert main(options) == 0
    values = json.loads((tmp_path / "results.json").read_text())
    assert values["dtype"] == "bfloat16"
    assert 1e-4 < values["records"][0]["difference"] < 0.1


def test_the_machine_says_what_caps_its_instructions(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert machine()["instructions"].endswith(" capped by ATEN_CPU_CAPABILITY=avx2")
    assert machine()["environment"]["ATEN_CPU_CAPABILITY"] == "avx2"
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    assert "capped" not in machine()["instructions"]
