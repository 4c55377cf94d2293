"""Every public name of odconv_training has an example that runs."""

from __future__ import annotations

from importlib import import_module

import odconv_training
from tests.examples import check_examples

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
    "__version__",
    "check_output",
    "main",
    "noticing_loss",
    "run",
    "start",
}


def test_public_names_have_examples_that_run():
    public = {name: getattr(odconv_training, name) for name in odconv_training.__all__}
    check_examples(
        {
            name: (value, vars(import_module(value.__module__)))
            for name, value in public.items()
            if name not in WITHOUT
        }
    )
