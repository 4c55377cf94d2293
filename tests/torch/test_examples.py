"""Every public layer and network has an example that runs, and those of the documents run."""

import pytest

from tests.examples import (  # noqa: F401  # pytest finds them here
    test_examples_of_the_documents_run,
    test_public_names_have_examples_that_run,
)

pytestmark = pytest.mark.usefixtures("extensions")  # where an example builds the native library
