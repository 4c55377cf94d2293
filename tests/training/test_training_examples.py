"""Every public name of odconv_training has an example that runs."""

from __future__ import annotations

import doctest
from importlib import import_module

import odconv_training

# What a framework fills in, what takes a whole training, errors, and tables.
WITHOUT = {
    "BEST",
    "DROPOUTS",
    "LAST",
    "MEAN",
    "RECIPES",
    "STD",
    "Answer",
    "CorruptImageError",
    "Course",
    "Log",
    "Options",
    "Step",
    "Trainer",
    "TrainingError",
    "check_output",
    "main",
    "noticing_loss",
    "run",
    "start",
}


def test_public_names_have_examples_that_run():
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    without = set()
    for name in odconv_training.__all__:
        public = getattr(odconv_training, name)
        module = getattr(public, "__module__", None)
        if name in WITHOUT:
            continue
        known = vars(import_module(module))
        tests = doctest.DocTestFinder().find(public, name, globs=dict(known))
        without |= {test.name for test in tests if test.name == name and not test.examples}
        for test in tests:
            runner.run(test)
    assert without == set()
    assert runner.failures == 0, "see the output above"
