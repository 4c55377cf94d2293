"""Every case in every runtime, as `python -m parity_tests` runs them."""

from __future__ import annotations

from functools import cache

import pytest

from parity_tests.cases import all_cases
from parity_tests.runner import run
from parity_tests.runtimes import RUNTIMES

CASES = [case.id for case in all_cases()]
run_once = cache(run)  # one process for each runtime, whose records serve all its tests


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_agrees_with_the_reference(runtime, case):
    records = [record for record in run_once(runtime).records if record.case == case]
    assert records
    assert not [str(record) for record in records if not record.ok]
