"""The examples in the documentation of odconv_spec."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import odconv_spec

FILES = sorted(Path(odconv_spec.__file__).parent.glob("*.py"))
PUBLIC = {name: getattr(odconv_spec, name) for name in odconv_spec.__all__}
WITH_EXAMPLES = [path.stem for path in FILES if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    module = import_module(f"odconv_spec.{name}")
    result = doctest.testmod(module, extraglobs=PUBLIC)
    assert result.attempted and not result.failed
