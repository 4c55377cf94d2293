"""Every public layer, network and tool has an example in its docstring, which gives what it says.

A suite imports the test and gives the fixture `kit`, the file of that name beside it.
"""

from __future__ import annotations

import doctest
from importlib import import_module

import odconv_spec

# A table, and what odconv_spec documents.
ELSEWHERE = {"DYNAMIC", "Replaced", "Replacement", "list_models"}


def test_public_names_have_examples_that_run(kit):
    package = kit.package.__name__
    modules = [import_module(f"{package}.{part}") for part in ("layers", "models", "tools")]
    framework = package.removeprefix("odconv_")
    known = vars(odconv_spec) | {framework: import_module(framework)}
    for module in modules:
        known |= {name: getattr(module, name) for name in module.__all__}
    known["nn"] = getattr(known[framework], "nn", None)  # of torch and Paddle
    runner = doctest.DocTestRunner()
    without = set()
    for module in modules:
        for name in {*module.__all__} - ELSEWHERE:
            tests = doctest.DocTestFinder().find(known[name], name, globs=dict(known))
            without |= {test.name for test in tests if test.name == name and not test.examples}
            for test in tests:  # those of methods, too
                runner.run(test)
    assert without == set(), f"without an example: {sorted(without)}"
    assert runner.failures == 0, "see the output above"
