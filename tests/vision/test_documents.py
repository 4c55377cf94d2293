"""The examples of the documents that need timm, torchvision or Lightning."""

from __future__ import annotations

from tests.documents import run_examples


def test_examples_run():
    run_examples("vision")
