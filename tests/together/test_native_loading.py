"""Files of the converter in the frameworks' own loaders, and around the circle at full size."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from odconv_spec import model_spec
from parity_tests.reference import random_arrays
from parity_tests.runtimes import RUNTIMES
from tests.processes import run_process
from tests.quick import quick
from weights_converter import convert, formats, verify
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar"
ENDING = {"torch": ".pth", "paddle": ".pdparams", "keras": ".weights.h5"}

# Logits of the file that the framework's own loader reads, and of the official file put into a
# live model by the converter: they must be the same bits.
SCRIPT = """
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from odconv_spec import from_json
from weights_converter import extract, load_into

root, weights, source, name = sys.argv[1:]
sys.path.insert(0, root)
framework = import_module(f"runtimes.{name}")
spec = from_json(Path(root, "digits.json").read_text())
native = framework.load(Path(weights), spec)
live = import_module(f"odconv_{name}.models.factory").build_model(spec)
load_into(live, source)
live.eval() if hasattr(live, "eval") and name != "keras" else None
images = np.load(Path(root, "odconv4x_mobilenetv2_digits.npz"))["input"][:20]
assert all(a.tobytes() == extract(live)[n].tobytes() for n, a in extract(native).items())
first, second = framework.predict(native, images), framework.predict(live, images)
assert first.tobytes() == second.tobytes(), abs(first - second).max()
"""


# A start takes longer than all else here; tests/formats loads files with each framework each time.
@pytest.mark.parametrize("runtime", quick(["torch"], RUNTIMES))
def test_own_loader_and_live_loading_give_the_same_logits(tmp_path, runtime):
    framework = runtime.partition("-")[0]
    weights = tmp_path / f"digits{ENDING[framework]}"
    convert(Request(SOURCE, EXAMPLES / "digits.json"), weights)
    run_process(
        [sys.executable, "-c", SCRIPT, EXAMPLES, weights, SOURCE, framework],
        env=os.environ | RUNTIMES[runtime].suite,
    )


@pytest.mark.parametrize(
    "name", quick(["od_mobilenetv2_050"], ["od_mobilenetv2_050", "od_resnet18"])
)
def test_a_network_of_four_kernels_goes_around_the_circle(tmp_path, name):
    spec = model_spec(name, kernel_num=4)
    arrays = random_arrays(spec.parameters(), 0, np.float32)
    start = tmp_path / "a.pth"
    formats.write(start, "torch", [Tensor.of(n, a) for n, a in arrays.items()], {})
    previous = start
    for file in ("b.pdparams", "c.weights.h5", "d.pth"):
        convert(previous, tmp_path / file)
        previous = tmp_path / file
    comparison = verify(start, previous)
    assert comparison.equal
    assert comparison.model == f"{name} (kernel_num=4, 1000 classes)"
    found = open_model(previous).tensors
    assert all(found[n].load().tobytes() == array.tobytes() for n, array in arrays.items())
