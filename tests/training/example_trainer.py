"""The trainer that the docstring of `odconv_training.Trainer` shows, for the examples beside it."""

from __future__ import annotations

import doctest
from typing import Any

from odconv_training import Trainer, trainer
from tests.examples import names_for_readers


def example_names() -> dict[str, Any]:
    """What the examples of odconv_training know: its public names, and `Linear`."""
    first = doctest.DocTestParser().get_examples(Trainer.__doc__)[0]
    known = names_for_readers("training") | vars(trainer)
    exec(first.source, known)
    return known
