"""Entry points of installed packages: what may be in them, and when they are searched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = """
from odconv_spec import ODConvSpec, ResNetSpec

class Conv(ODConvSpec):
    kind = "mine"

class Net(ResNetSpec):
    family = "mynet"
    published = {"mynet": {}}
"""


@pytest.fixture
def run(tmp_path):
    """Runs code in a process that has packages installed with these entry points."""

    def run(code: str, *entry_points: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "plugin.py").write_text(PLUGIN)
        for number, text in enumerate(entry_points):
            folder = tmp_path / f"plugin{number}-0.1.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin{number}\n")
            (folder / "entry_points.txt").write_text(text)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


CONV = "[odconv.convolutions]\nmine = plugin:Conv\n"
NET = "[odconv.backbones]\nmynet = plugin:Net\n"
LIST = "from odconv_spec import list_models; print(*list_models())"


def test_every_kind_and_every_family_go_together(run):
    names = run(LIST, CONV, NET).stdout.split()
    assert {"mine_resnet18", "mine_mobilenetv2_050", "mynet", "od_mynet", "mine_mynet"} <= {*names}
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["[odconv.convolutions]\nod = plugin:Conv\n"], "expected an entry with kind='od'"),
        (["[odconv.backbones]\nresnet = odconv_spec:ResNetSpec\n"], "received 'resnet' of an inst"),
        (["[odconv.convolutions]\ndy = odconv_spec:DyConvSpec\n"], "expected names other than"),
        ([CONV, CONV], "expected one entry 'mine', received two packages'"),
        (["[odconv.convolutions]\nmine = absent:Conv\n"], "mine = absent:Conv of an installed"),
    ],
    ids=["another's name", "a family of ours", "a kind of ours", "twice", "not importable"],
)
def test_what_an_entry_may_not_be(run, entries, message):
    found = run(LIST, *entries)
    assert found.returncode == 1
    assert message in found.stderr.splitlines()[-1]


def test_a_wrong_package_leaves_the_models_of_this_project_alone(run):
    wrong = "[odconv.convolutions]\nod = absent:Conv\n"
    code = "from odconv_spec import model_spec; print(model_spec('od_resnet18', kernel_num=2).name)"
    assert run(code, wrong).stdout == "od_resnet18\n"


def test_packages_are_searched_for_unknown_names_alone(run):
    code = (
        "import sys; sys.modules.pop('importlib.metadata', None)\n"
        "from odconv_spec import from_json, model_spec, to_json\n"
        "from_json(to_json(model_spec('od_resnet18')))\n"
        "print('importlib.metadata' in sys.modules)\n"
        "print(model_spec('mine_resnet18').conv.kind, 'importlib.metadata' in sys.modules)"
    )
    assert run(code, CONV).stdout == "False\nmine True\n"
