"""The examples of the documents that need KerasHub."""

from __future__ import annotations

from tests.documents import run_examples


def test_examples_run():
    run_examples("keras_hub")
