"""Every public layer and network has an example that runs."""

from tests.examples import test_public_names_have_examples_that_run  # noqa: F401
