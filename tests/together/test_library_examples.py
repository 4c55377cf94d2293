"""The examples of the library behind the command run, those with a framework in PyTorch."""

from __future__ import annotations

from importlib import import_module

import odconv
import weights_converter
import weights_converter.formats
from parity_tests import golden
from tests.documents import ROOT
from tests.examples import check_examples

# What comes from these functions, errors, and what takes a whole network.
WITHOUT = {
    "Comparison",
    "ConverterError",
    "DamagedError",
    "Diff",
    "ExportOptions",
    "FileError",
    "GoldenLayer",
    "GoldenTraining",
    "Inspection",
    "Loaded",
    "Manifest",
    "MismatchError",
    "RefusedError",
    "Report",
    "UsageError",
    "__version__",
    "load_golden",
    "read",
    "verify_outputs",
    "write",
    "write_shards",
}


def test_public_functions_have_examples_that_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    public = {}
    for package in (odconv, weights_converter, weights_converter.formats, golden):
        for name in set(package.__all__) - WITHOUT:
            value = getattr(package, name)
            known = vars(import_module(value.__module__)) | {"Request": odconv.Request}
            public[name] = (value, known)
    check_examples(public)
