"""Every case in every runtime, as `python -m parity_tests` runs them.

PyTorch runs all of them by default. Elsewhere the deeper networks, whose blocks the small ones
have, too, are for the slow run: building them takes Keras minutes. So is what the backends that run
the same Keras code as TensorFlow would only repeat: the layers in single precision, and on JAX,
which compiles every case, all layers that are not golden or random ones, and most networks.
"""

from __future__ import annotations

from functools import cache

import pytest

from parity_tests.cases import all_cases
from parity_tests.runner import run
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import USUAL

CASES = tuple(case.id for case in all_cases() if case.group != "sweep")
LATER = {"keras-jax": ("/float32", "/float64"), "keras-torch": ("/float32",)}
SMALL = (
    "backbone/od_resnet18/",
    "backbone/od_mobilenetv2_050/",
    "backbone/cond_mobilenetv2_050/",
    "backbone/dy_mobilenetv2_050/",
)
COMPILED = (  # of the networks on JAX: each kind, and both families
    "backbone/od_mobilenetv2_050/",
    "steps/od-resnet-basic/",
    "steps/dy-mobilenetv2/",
    "steps/cond-resnet-bottleneck/",
)


def is_slow(runtime, case):
    if case.startswith("layer/"):
        return case.endswith(LATER.get(runtime, ()))
    if runtime == "keras-jax" and case.startswith(("backbone/", "steps/")):
        return not case.startswith(COMPILED)
    return runtime != "torch" and case.startswith("backbone/") and not case.startswith(SMALL)


@cache  # one process for each runtime, whose records serve all its tests
def records(runtime, cases):
    return run(runtime, cases).records


@pytest.fixture
def asked(request):
    """The cases of a runtime that this session tests."""

    def cases(runtime):
        tests = [item.callspec.params for item in request.session.items]
        return tuple(t["case"] for t in tests if "case" in t and t["runtime"] == runtime)

    return cases


@pytest.mark.parametrize(
    ("runtime", "case"),
    [
        pytest.param(runtime, case, marks=[pytest.mark.slow] if is_slow(runtime, case) else [])
        for runtime in RUNTIMES
        for case in CASES
    ],
)
def test_agrees_with_the_reference(runtime, case, asked):
    found = [record for record in records(runtime, asked(runtime)) if record.case == case]
    assert found
    assert not [str(record) for record in found if not record.ok]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_some_random_layers_agree_with_the_reference(runtime):
    assert_all_agree(run(runtime, ["sweep/0-0[0-2]*"]).records, 30)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_all_random_layers_agree_with_the_reference(runtime):
    assert_all_agree(run(runtime, ["sweep/*"]).records, USUAL.count)


def assert_all_agree(records, count):
    """A record that differs says the case's name, and by its first number the sweep's seed."""
    assert len({record.case for record in records}) == count
    assert not [str(record) for record in records if not record.ok]
