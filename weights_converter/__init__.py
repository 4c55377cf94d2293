"""Checkpoints of ODConv models between PyTorch, PaddlePaddle and Keras, without any of them.

`inspect`, `convert`, `verify` and `diff` work on files and need no framework; `extract`, `assign`
and `load_into` work on a live model and use the framework it is of.
"""

from weights_converter.conversion import convert
from weights_converter.diffs import Diff, diff
from weights_converter.errors import (
    ConverterError,
    DamagedError,
    FileError,
    MismatchError,
    RefusedError,
    UsageError,
)
from weights_converter.inspection import Inspection, inspect
from weights_converter.loading import assign, extract, load_into, save_manifest
from weights_converter.manifest import Manifest, read_manifest
from weights_converter.outputs import verify_outputs
from weights_converter.report import Report
from weights_converter.verification import Comparison, verify

__all__ = [
    "Comparison",
    "ConverterError",
    "DamagedError",
    "Diff",
    "FileError",
    "Inspection",
    "Manifest",
    "MismatchError",
    "RefusedError",
    "Report",
    "UsageError",
    "assign",
    "convert",
    "diff",
    "extract",
    "inspect",
    "load_into",
    "read_manifest",
    "save_manifest",
    "verify",
    "verify_outputs",
]
