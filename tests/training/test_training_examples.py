"""The examples of odconv_training run, those that need no framework."""

from __future__ import annotations

from tests.examples import check_examples, lay_out_for_readers, public_objects
from tests.training.example_trainer import example_names


def test_public_names_have_examples_that_run(monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)
    known = example_names()
    public = public_objects("training")
    without_framework = {p: v for p, v in public.items() if "odconv_torch" not in v.__doc__}
    assert without_framework
    check_examples({path: (value, known) for path, value in without_framework.items()})
