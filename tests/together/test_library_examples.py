"""The examples of the library behind the command run, those with a framework in PyTorch."""

from __future__ import annotations

import pytest

from tests.documents import lay_out_for_readers
from tests.examples import check_examples, check_public, names_for_readers, public_objects


@pytest.fixture(autouse=True)
def readers_folder(monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)


def test_public_names_have_examples_that_run():
    check_public("together", names_for_readers("spec", "together"))


def test_examples_of_training_that_need_a_framework_run():
    public = public_objects("training")
    known = names_for_readers("training")
    with_framework = {p: v for p, v in public.items() if "odconv_torch" in v.__doc__}
    assert with_framework
    check_examples({path: (value, known) for path, value in with_framework.items()})
