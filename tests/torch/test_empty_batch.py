"""A network takes a batch without samples."""

from tests.empty_batch import test_an_empty_batch  # noqa: F401  # pytest finds it here
