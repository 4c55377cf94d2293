"""One hub folder in every runtime, a fresh process each: the same logits, and the same bytes."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from odconv_spec import model_spec, to_json
from parity_tests.reference import evaluate, random_arrays
from parity_tests.runtimes import RUNTIMES
from tests.processes import run_process
from tests.quick import quick

SMALL = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "kernel_num": 2, "num_classes": 5}
SPECS = {"small": model_spec("od_resnet18", **SMALL), "od_resnet18": model_spec("od_resnet18")}

# Opens the folder, or makes a model where there is none; writes its logits, and the folder again.
SCRIPT = """
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

name, source, spec, images, target = sys.argv[1:]
package = import_module(f"odconv_{name}")
if Path(source).is_dir():
    model = package.from_pretrained(source)
else:
    from odconv_spec import from_json
    from weights_converter import assign
    model = import_module(f"odconv_{name}.models").build_model(from_json(spec))
    assign(model, dict(np.load(source)))
    model.eval()
x = np.load(images)
if name == "torch":
    import torch
    y = model(torch.from_numpy(x)).detach().numpy()
elif name == "paddle":
    import paddle
    y = model(paddle.to_tensor(x)).numpy()
else:
    import keras
    y = keras.ops.convert_to_numpy(model(x.transpose(0, 2, 3, 1)))
told = {} if Path(source).is_dir() else {"class_names": list("abcdefgh")[: model.num_classes]}
model.save_pretrained(target, **(told if model.num_classes < 9 else {}))
np.save(f"{target}/logits.npy", y)
"""


def run(runtime, source, spec, folder, target):
    command = [runtime.partition("-")[0], source, to_json(spec), folder / "x.npy", target]
    run_process(
        [sys.executable, "-c", SCRIPT, *command],
        env=os.environ | RUNTIMES[runtime].suite,
    )
    return np.load(target / "logits.npy")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that gives the folder of a spec, which PyTorch wrote, and what is beside it."""
    known = {}

    def make(name):
        if name not in known:
            folder, spec = tmp_path_factory.mktemp(name), SPECS[name]
            arrays = random_arrays(spec.parameters(), 0, np.float32)
            np.savez(folder / "arrays.npz", **arrays)
            x = np.random.default_rng(1).standard_normal((2, 3, 33, 40)).astype(np.float32)
            np.save(folder / "x.npy", x)
            logits = run("torch", folder / "arrays.npz", spec, folder, folder / "hub")
            expected = evaluate(spec, arrays, x).output
            scale = np.abs(expected).max()
            np.testing.assert_allclose(logits / scale, expected / scale, rtol=0, atol=1e-5)
            known[name] = folder, logits
        return known[name]

    return make


QUICK = [("small", "paddle")]  # tests/keras/test_hub.py opens and writes a folder in Keras
ALL = [(name, runtime) for name in SPECS for runtime in RUNTIMES]


@pytest.mark.parametrize("case", quick(QUICK, ALL), ids=lambda case: f"{case[0]}-{case[1]}")
def test_one_folder_in_every_runtime(made, case, tmp_path):
    name, runtime = case
    folder, expected = made(name)
    logits = run(runtime, folder / "hub", SPECS[name], folder, tmp_path / "again")
    scale = np.abs(expected).max()
    np.testing.assert_allclose(logits / scale, expected / scale, rtol=0, atol=1e-5)
    for file in ("model.safetensors", "config.json", "README.md"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / "hub" / file).read_bytes()
