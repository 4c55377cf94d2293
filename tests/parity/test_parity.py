"""Every case in every runtime, as `python -m parity_tests` runs them; golden files each time.

Of the layers chosen by hand, all train in double precision each time on one backend of Keras, and
every third is evaluated in single precision, too; the rest is for the slow run. So are the deeper
networks, whose blocks the small ones have, too, but for three on PyTorch: building them takes Keras
minutes. TensorFlow and JAX, which run the same Keras code as PyTorch and compile it, have a choice
of all this each time, and JAX, which compiles for seconds, one golden file of each kind in training
and a few in inference.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from functools import cache

import pytest

from parity_tests.cases import all_cases
from parity_tests.runner import run
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import USUAL

CASES = tuple(case.id for case in all_cases() if case.group != "sweep")
SMALL = (  # ResNets of few channels are trained, see STEPS
    "backbone/od_mobilenetv2_050/*",
    "backbone/cond_mobilenetv2_050/*",
    "backbone/dy_mobilenetv2_050/*",
    "backbone/last-map/*",
)
DEEP = ("backbone/resnet18/*", "backbone/od_resnet18/*", "backbone/od_resnet50/*")
COMPILED = ("backbone/od_mobilenetv2_050/*", "steps/od-resnet-basic/*")  # both families
THIRD = ("layer/*[0369]-train/float64", "layer/*[0369]-eval/float32")
FIFTH = ("layer/*[05]-train/float64", "layer/*[05]-eval/float32")
STEPS = (  # of each kind, and of each family
    *("steps/resnet-basic/*", "steps/*-resnet-basic/*", "steps/od-resnet-bottleneck/*"),
    *("steps/od-mobilenetv2/*", "steps/cond-mobilenetv2/*", "steps/kw-mobilenetv2/*"),
    *("steps/se-mobilenetv2/*", "steps/weightnet-shufflenetv2/*"),
)
USUAL_CASES = ("golden/*", "layer/*-train/float64", THIRD[1], *STEPS, *SMALL)
OFTEN = {  # what a runtime has each time
    "torch": (*USUAL_CASES, "steps/*", *DEEP),
    "paddle": USUAL_CASES,
    "keras-torch": USUAL_CASES,
    "keras-tensorflow": ("golden/*", *FIFTH, *COMPILED, "steps/cond-mobilenetv2/*"),
    "keras-jax": (
        "golden/*0-train/*",
        "golden/dyconv_07-train/*",
        "golden/*[28]-eval/*",
        COMPILED[1],
    ),
}
# `tests.run` asks for one in each process, because to name the cases of all takes seconds.
ASKED = os.environ.get("PARITY_RUNTIME")
CHOSEN = [ASKED] if ASKED else list(RUNTIMES)


def is_slow(runtime, case):
    return not any(fnmatch(case, pattern) for pattern in OFTEN[runtime])


def some_of_sweep(runtime):
    """The random layers of the default run, and how many they are."""
    some = {"keras-tensorflow": ("sweep/0-00*", 10), "keras-jax": ("sweep/0-00[0-4]*", 5)}
    return some.get(runtime, ("sweep/0-0[0-2]*", 30))


@cache  # one process for each runtime, whose records serve all its tests
def records(runtime, cases):
    return run(runtime, cases).records


def pattern_of(item):
    runtime = item.callspec.params["runtime"]
    if item.originalname == test_some_random_layers_agree_with_the_reference.__name__:
        return some_of_sweep(runtime)[0]
    return item.callspec.params.get("case")


@pytest.fixture
def found(request, runtime):
    """The records of the cases of a runtime that this session tests."""
    items = [item for item in request.session.items if hasattr(item, "callspec")]
    items = [item for item in items if item.callspec.params.get("runtime") == runtime]
    return records(runtime, tuple(filter(None, map(pattern_of, items))))


@pytest.mark.parametrize(
    ("runtime", "case"),
    [
        pytest.param(runtime, case, marks=[pytest.mark.slow] if is_slow(runtime, case) else [])
        for runtime in CHOSEN
        for case in CASES
    ],
)
def test_agrees_with_the_reference(found, case):
    of_case = [record for record in found if record.case == case]
    assert of_case
    assert not [str(record) for record in of_case if not record.ok]


@pytest.mark.parametrize("runtime", CHOSEN)
def test_some_random_layers_agree_with_the_reference(found, runtime):
    pattern, count = some_of_sweep(runtime)
    assert_all_agree([record for record in found if fnmatch(record.case, pattern)], count)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", CHOSEN)
def test_all_random_layers_agree_with_the_reference(runtime):
    assert_all_agree(run(runtime, ["sweep/*"]).records, USUAL.count)


def assert_all_agree(records, count):
    """A record that differs says the case's name, and by its first number the sweep's seed."""
    assert len({record.case for record in records}) == count
    assert not [str(record) for record in records if not record.ok]
