"""A convolution and a backbone of somebody else, without a change to any file of this project.

What they take, all of it in the folder `toy` beside this file:

    spec.py           options, names and shapes of arrays, and the way back from them
    layers.py         the layer for PyTorch
    models.py         the network for PyTorch
    reference.py      both in NumPy, which the parity tests compare with
    dialect.py        how another code calls the arrays
    entry_points.txt  what the package says of itself when it is installed

The folder is put where an installer would put it, with its metadata, and processes are started that
find it there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy_steps import NETWORKS

from tests.processes import run_process

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Of a process that has the toys installed."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(HERE / "toy", site / "toy", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = site / "toy-0.1.dist-info"
    metadata.mkdir()
    (site / "toy" / "entry_points.txt").rename(metadata / "entry_points.txt")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0.1\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}


@pytest.fixture(scope="module")
def found(environment, tmp_path_factory):
    """What `toy_steps` finds, by step and name."""
    command = [sys.executable, str(HERE / "toy_steps.py"), str(tmp_path_factory.mktemp("files"))]
    run = run_process(command, env=environment)
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_created_by_name(found, name):
    assert found["created"][name] == {"listed": True, "output": [2, 5], "names": True}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_convert_there_and_back_and_are_inferred(found, name):
    wanted = dict.fromkeys(("inferred", "bits", "verified", "metadata"), True)
    assert found["converted"][name] == wanted


@pytest.mark.parametrize("name", NETWORKS)
def test_names_have_their_roles_in_every_layout(found, name):
    layouts = ("torch", "paddle", "keras", "tensorflow")
    assert found["in_layouts"][name] == dict.fromkeys(layouts, True)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_lone_layer_is_inferred(found, rank):
    assert found["lone_layer"][f"toy{rank}"] == {"name": f"ToyConv{rank}d", "arrays": True}


def test_an_option_that_the_arrays_contradict(found):
    assert found["contradicted"]["toy_toynet"] == {
        "text": "x.pth is toy_toynet with kernel_num=4 (fc.weight (4, 8), weight (4, 8, 8, 3, 3)); "
        "you asked for kernel_num=2"
    }


def test_the_names_of_another_code(found):
    assert found["wild"]["toy_toynet"] == {"renamed": 16, "inferred": True, "bits": True}


def test_the_convolutions_of_a_static_network_are_replaced(found):
    replaced = found["replaced"]["toynet"]
    assert replaced["layers"] == 2  # all but the stem
    assert replaced["error"] < 1e-12


def test_parity_with_their_references(environment):
    patterns = ("layer/toy-*/float64", "steps/toy-*", "backbone/toynet/*", "backbone/toy_toynet/*")
    cases = [part for pattern in patterns for part in ("--cases", pattern)]
    command = [sys.executable, "-m", "parity_tests", "--runtime", "torch", *cases]
    run = run_process(command, env=environment)
    # Five layers, in inference and training, a training of a network, and two networks.
    for row in ("| 10 layer | float64 | output |", "| 1 steps |", "| 2 backbone |"):
        assert row in run.stdout


def test_a_framework_that_the_package_brings_nothing_for(environment):
    code = (
        "from odconv_spec import model_spec; from odconv_spec.plugins import row\n"
        "row('odconv.paddle_layers', {}, model_spec('toy_toynet').conv.kind)"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "odconv.paddle_layers: expected an entry point, received 'toy'" in run.stderr
