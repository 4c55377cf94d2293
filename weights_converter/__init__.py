"""Checkpoints of ODConv models between PyTorch, PaddlePaddle and Keras, without any of them.

`inspect`, `convert` and `verify` work on files and need no framework; `extract`, `assign` and
`load_into` work on a live model and use the framework it is of.
"""

from weights_converter.conversion import Report, convert
from weights_converter.errors import (
    ConverterError,
    DamagedError,
    FileError,
    MismatchError,
    RefusedError,
    UsageError,
)
from weights_converter.inspection import Inspection, inspect
from weights_converter.loading import assign, extract, load_into
from weights_converter.verification import Comparison, verify

__all__ = [
    "Comparison",
    "ConverterError",
    "DamagedError",
    "FileError",
    "Inspection",
    "MismatchError",
    "RefusedError",
    "Report",
    "UsageError",
    "assign",
    "convert",
    "extract",
    "inspect",
    "load_into",
    "verify",
]
