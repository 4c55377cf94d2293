"""A network of one's own, written in every framework: its files go from each to each."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import permutations

import numpy as np
import pytest

from parity_tests.runtimes import RUNTIMES
from tests.quick import quick
from weights_converter import Request, convert
from weights_converter.identify.manifest import read_manifest

# The same attributes everywhere, but for the functional model, which has names of layers only. On
# the PyTorch backend these could have no dots.
TORCH = """
import torch
from torch import nn
from odconv_torch import CondConv2d, DyConv2d, ODConv2d, Routing

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, (3, 5))
        self.norm = nn.BatchNorm2d(6)
        self.body = ODConv2d(6, 6, 3, kernel_num=2, groups=2)
        self.blocks = nn.ModuleList([nn.Conv2d(6, 8, 1), DyConv2d(8, 8, 3)])
        self.routing = Routing(8, 3)
        self.mixed = CondConv2d(8, 8, 1, kernel_num=3, router="shared")
        self.tail = nn.Linear(8, 8)

def build():
    return Net()

def save(model, path):
    torch.save(model.state_dict(), path)

def load(model, path):
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)
"""
PADDLE = """
import paddle
from paddle import nn
from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, Routing

class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2D(3, 6, (3, 5))
        self.norm = nn.BatchNorm2D(6)
        self.body = ODConv2D(6, 6, 3, kernel_num=2, groups=2)
        self.blocks = nn.LayerList([nn.Conv2D(6, 8, 1), DyConv2D(8, 8, 3)])
        self.routing = Routing(8, 3)
        self.mixed = CondConv2D(8, 8, 1, kernel_num=3, router="shared")
        self.tail = nn.Linear(8, 8)

def build():
    return Net()

def save(model, path):
    paddle.save(model.state_dict(), path)

def load(model, path):
    missing, unexpected = model.set_state_dict(paddle.load(path))
    assert not missing and not unexpected, (missing, unexpected)
"""
KERAS = """
import keras
import numpy as np
from keras import layers, ops
from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing

def save(model, path):
    model.save_weights(path)

def load(model, path):
    model.load_weights(path)
"""
KERAS_SUBCLASS = (
    KERAS
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(6, (3, 5))
        self.norm = layers.BatchNormalization()
        self.body = ODConv2D(6, 3, kernel_num=2, groups=2)
        self.blocks = [layers.Conv2D(8, 1), DyConv2D(8, 3)]
        self.drop = layers.Dropout(0.5)
        self.routing = Routing(3)
        self.mixed = CondConv2D(8, 1, kernel_num=3, router="shared")
        self.tail = layers.Dense(8)

    def call(self, x):
        x = self.body(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        x = self.mixed(x, self.routing(x))
        return self.tail(self.drop(ops.mean(x, axis=(1, 2))))

def build():
    model = Net()
    model(np.zeros((1, 12, 14, 3), np.float32))
    model.compile("adam", "mse", metrics=["mae"])
    return model
"""
)
KERAS_FUNCTIONAL = (
    KERAS
    + """
def build():
    image = keras.Input((12, 14, 3))
    x = layers.Conv2D(6, (3, 5), name="stem")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = ODConv2D(6, 3, kernel_num=2, groups=2, name="body")(x)
    x = layers.Conv2D(8, 1, name="blocks.0")(x)
    x = DyConv2D(8, 3, name="blocks.1")(x)
    weights = Routing(3, name="routing")(x)
    x = CondConv2D(8, 1, kernel_num=3, router="shared", name="mixed")(x, weights)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(8, name="tail")(x))
"""
)
# Makes the model with random arrays, its manifest and its own file; then loads the files of others
# that standard input names, so that no framework is imported twice.
COMMON = """
import sys
from pathlib import Path
from parity_tests.reference import random_arrays
from weights_converter.live.arrays import assign, extract, manifest, save_manifest
from weights_converter.live.loading import load_into

folder, name, ending = sys.argv[1:]
folder = Path(folder)
model = build()
described = manifest(model)
arrays = random_arrays(described.parameters(), len(name), "float32")
assign(model, arrays)
save_manifest(model, folder / f"{name}.json")
save(model, str(folder / f"{name}{ending}"))
load_into(model, folder / f"{name}{ending}")
np.savez(folder / f"{name}.npz", **arrays)
print(f"made {name}", flush=True)
model = build()
for file in map(str.strip, sys.stdin):
    arrays = np.load(folder / f"{file.split('-')[0]}.npz")
    assign(model, {key: np.zeros_like(array) for key, array in extract(model).items()})
    load(model, str(folder / file))
    found = extract(model)
    assert found.keys() == set(arrays.files)
    assert all(found[key].tobytes() == arrays[key].tobytes() for key in found), file
    load_into(model, folder / f"{file.split('-')[0]}.pth")
    print(f"loaded {file}", flush=True)
"""
NETS = {  # code, runtime, ending of its own files
    "torch": (TORCH, "torch", ".pth"),
    "paddle": (PADDLE, "paddle", ".pdparams"),
    "subclass": (KERAS_SUBCLASS, "keras-torch", ".weights.h5"),
    "functional": (KERAS_FUNCTIONAL, "keras-jax", ".weights.h5"),
}
# Without the functional model, because JAX takes long to start.
THREE = ("torch", "paddle", "subclass")


def started(folder, name):
    """A process that has made the network and its files, and can load others."""
    code, runtime, ending = NETS[name]
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", f"import numpy as np\n{code}{COMMON}", folder, name, ending],
            env=os.environ | RUNTIMES[runtime].suite,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    hear(process, f"made {name}", folder / f"{name}.log")
    return process


def hear(process, words, log):
    """The next line of the process, which is empty where it has ended."""
    assert process.stdout.readline() == f"{words}\n", log.read_text()[-3000:]


@pytest.fixture(scope="module", params=quick([THREE], [THREE, tuple(NETS)]), ids=len)
def nets(request, tmp_path_factory):
    """The folder of the networks' files, with those of each converted for each other; processes."""
    folder = tmp_path_factory.mktemp("nets")
    with ExitStack() as stack:
        found = {name: stack.enter_context(started(folder, name)) for name in request.param}
        convert_all(folder, found)
        yield folder, found


def convert_all(folder, names):
    for source, target in permutations(names, 2):
        ending, own = NETS[target][2], NETS[source][2]
        # What a file's own names cannot tell: which of a Keras model's is which.
        neutral = folder / f"{source}.pth"
        if own != ".pth" and not neutral.exists():
            convert(Request(folder / f"{source}{own}", folder / f"{source}.json"), neutral)
        convert(Request(neutral, folder / f"{target}.json"), folder / f"{source}-{target}{ending}")


def test_manifests_agree_in_names_roles_shapes_and_dtypes(nets):
    folder, names = nets
    first = read_manifest(folder / "torch.json")
    expected = {p.name: (p.role, p.shape, first.dtypes[p.name]) for p in first.parameters()}
    assert len(expected) == 33
    for name in names:
        manifest = read_manifest(folder / f"{name}.json")
        found = {p.name: (p.role, p.shape, manifest.dtypes[p.name]) for p in manifest.parameters()}
        assert found == expected


def test_each_framework_loads_what_came_from_the_others(nets):
    folder, processes = nets
    for source, target in permutations(processes, 2):
        file = f"{source}-{target}{NETS[target][2]}"
        print(file, file=processes[target].stdin, flush=True)
        hear(processes[target], f"loaded {file}", folder / f"{target}.log")


def test_the_networks_have_different_values(nets):
    folder, names = nets
    stems = {np.load(folder / f"{name}.npz")["stem.weight"].tobytes() for name in names}
    assert len(stems) == len(names)
