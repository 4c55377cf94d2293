"""The library that some tests compile."""

from __future__ import annotations

import pytest

from odconv_torch import native
from tests.training.folders import folder  # noqa: F401  # a fixture


@pytest.fixture(scope="session")
def extensions(tmp_path_factory):
    """Where the library of these tests is: built once, in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        found = tmp_path_factory.mktemp("extensions")
        patch.setenv("TORCH_EXTENSIONS_DIR", str(found))
        yield found


@pytest.fixture(scope="session")
def native_library(extensions):
    native.build()
    native.load()
