"""Every form of PyTorch's layers, in place of the one that a layer would choose."""

from __future__ import annotations

import pytest

from odconv_spec import BackboneSpec, KernelBankSpec
from odconv_torch.layers import KernelBank
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.forms.cost_model import FORMS, GRAPH_FORMS
from parity_tests.adapters.torch import ADAPTER
from parity_tests.cases import all_cases
from parity_tests.comparison import compare
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
