"""The arrays of the benchmark: random, and float32 can be compared with them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks.arrays import SEED, steady_arrays
from benchmarks.runner import environment
from odconv_spec import model_spec
from parity_tests.reference import random_arrays
from tests.processes import run_process

# Logits of a training step in both layouts, of a network as deep as ResNet-50.
COMPARE = """
import json
import numpy as np
from benchmarks.arrays import steady_arrays
from benchmarks.worker import load
from odconv_spec import model_spec
from parity_tests.reference import random_arrays

stages = ((16, 3), (32, 4), (64, 6), (128, 3))
spec = model_spec("od_resnet50", kernel_num=4, stages=stages, stem_channels=16)
generator = np.random.default_rng(3)
x = generator.standard_normal((8, 3, 64, 96), dtype=np.float32)
labels = generator.integers(0, spec.num_classes, 8)
first = load("torch")

def logits(framework, arrays):
    return framework.numpy(framework.step(framework.build(spec, arrays), x, labels)()[0])

def difference(arrays):
    a, b = (logits(one, arrays) for one in (first, first.in_channels_last()))
    return float(np.abs(a - b).max() / np.abs(b).max())

usual = random_arrays(spec.parameters(), 5, np.float32)
print(json.dumps([difference(steady_arrays(spec)), difference(usual)]))
"""


def test_two_layouts_of_a_deep_network_agree_in_training():
    run = run_process(
        [sys.executable, "-c", COMPARE],
        env=environment("torch"),
    )
    steady, usual = json.loads(run.stdout)
    assert steady < 1e-3 < 1e-2 < usual


OF_ODCONV = {f"{part}_fc.weight" for part in ("channel", "filter", "spatial", "kernel")}


@pytest.mark.parametrize(
    ("kind", "expected", "options"),
    [
        ("od", OF_ODCONV, {"kernel_num": 3}),
        ("dy", {"fc2.weight"}, {}),
        ("cond", set(), {}),
        ("fdconv", set(), {}),
    ],
)
def test_heads_of_attentions_are_small_and_nothing_else(kind, expected, options):
    spec = model_spec(f"{kind}_resnet18", stages=((8, 1), (12, 1)), stem_channels=8, **options)
    usual = random_arrays(spec.parameters(), SEED, np.float32)
    found = steady_arrays(spec)
    heads = set()
    for name, array in usual.items():
        assert found[name].dtype == array.dtype
        if np.array_equal(found[name], array):
            continue
        heads.add(name.rpartition("attention.")[2])
        np.testing.assert_allclose(found[name], 0.1 * array, rtol=1e-6)
    assert heads == expected
