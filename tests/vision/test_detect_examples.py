"""The examples of the detection trainings run."""

from __future__ import annotations

from odconv_torch import detect
from tests.examples import check_examples


def test_examples_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    check_examples({name: (getattr(detect, name), {}) for name in detect.__all__})
