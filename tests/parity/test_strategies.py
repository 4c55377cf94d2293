"""Every form of PyTorch's layers, in place of the one that a layer would choose."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from odconv_spec import BackboneSpec, KernelBankSpec
from odconv_torch import native
from odconv_torch.layers import KernelBank
from odconv_torch.layers.attending import Attending
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.forms.cost_model import FORMS, GRAPH_FORMS, NATIVE, Costs
from parity_tests.adapters.torch import ADAPTER
from parity_tests.cases import all_cases
from parity_tests.comparison import compare
from parity_tests.problems import Case, Problem
from parity_tests.sweep import Sweep
from parity_tests.worker import solve


def mixes_kernels(spec):
    kind = spec.conv.spec_class if isinstance(spec, BackboneSpec) else type(spec)
    return issubclass(kind, KernelBankSpec)


CASES = tuple(
    case
    for case in all_cases(Sweep(count=60))
    if not case.id.startswith("backbone/") and not case.id.endswith("/float32")
    if mixes_kernels(case.problem.spec)
)


@pytest.mark.slow
@pytest.mark.parametrize("form", (*FORMS, *GRAPH_FORMS))
def test_torch_agrees_with_the_reference_in_every_form(form, monkeypatch):
    monkeypatch.setattr(KernelBank, "strategy", Strategy(form))
    records = [r for case in CASES for r in compare(case, solve(ADAPTER, case), case.expected())]
    assert len({record.case for record in records}) == len(CASES)
    assert not [str(record) for record in records if not record.ok]


COMPILER = os.environ.get("CXX", "c++")
# By these it takes the least time wherever it can run.
ARITHMETIC = Costs(
    *(float(name in ("conv", "grouped", "sample")) for name in Costs.__annotations__)
)


def inferences():
    """The problems without gradients, in float64 and in float32, which compiled operations take."""
    for case in CASES:
        if case.problem.labels is None:
            problem = replace(case.problem, training=False, grad_output=None)
            exact = Case("layer", case.name, "float64", partial(replace, problem))
            yield exact, Case("layer", case.name, "float32", partial(single, problem))


def single(problem: Problem) -> Problem:
    arrays = {name: np.float32(array) for name, array in problem.arrays.items()}
    return replace(problem, arrays=arrays, x=np.float32(problem.x), dtype="float32")


@pytest.fixture
def native_library(tmp_path, monkeypatch):
    if shutil.which(COMPILER) is None:
        pytest.skip(f"no C++ compiler {COMPILER} on this machine")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    native.build()
    native.load()


@pytest.mark.slow
def test_torch_agrees_with_the_reference_in_compiled_operations(native_library, monkeypatch):
    monkeypatch.setattr(KernelBank, "strategy", Strategy(NATIVE, ARITHMETIC))
    monkeypatch.setattr(Attending, "native", True)
    pairs = tuple(inferences())
    assert len(pairs) > 100
    records = [
        record
        for exact, case in pairs
        for record in compare(case, solve(ADAPTER, case), exact.expected())
    ]
    assert not [str(record) for record in records if not record.ok]
