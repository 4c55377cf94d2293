"""The parsers of all commands, none of which imports a framework."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Mapping
from runpy import run_path

from benchmarks.__main__ import benchmarks_parser
from benchmarks.accuracy.__main__ import accuracy_parser
from benchmarks.drift import drift_parser
from benchmarks.finetuning.__main__ import finetuning_parser
from benchmarks.parsers import bounds_parser, exported_parser, inference_parser, strides_parser
from docs_site.names import ROOT
from odconv.commands import SUMMARIES
from odconv.parser import parser_for
from odconv_training.detection.options import training_parser as detection_parser
from odconv_training.detection.parsers import (
    DETECT,
    detect_parser,
    evaluate_parser,
    predict_parser,
    shapes_parser,
)
from odconv_training.options import training_parser
from parity_tests.__main__ import parity_parser


def command_parsers() -> Mapping[str, ArgumentParser]:
    """`odconv`, then each of its commands by its whole name."""
    parsers: dict[str, ArgumentParser] = {"odconv": parser_for([])}
    return parsers | {f"odconv {name}": _subparser(name) for name in SUMMARIES}


def module_parsers() -> Mapping[str, tuple[ArgumentParser, ...]]:
    """Those of `python -m`, by what they are for."""
    return {
        "training": tuple(map(training_parser, ("torch", "paddle", "keras"))),
        "detectors": (
            detect_parser(),
            detection_parser(f"{DETECT} train"),
            evaluate_parser(),
            predict_parser(),
            shapes_parser(),
        ),
        "tools": (*map(_of_torch, ("calibrate_parser", "native_parser")), parity_parser()),
        "benchmarks": (
            benchmarks_parser(),
            accuracy_parser(),
            bounds_parser(),
            drift_parser(),
            exported_parser(),
            finetuning_parser(),
            inference_parser(),
            strides_parser(),
        ),
    }


def _of_torch(name: str) -> ArgumentParser:
    """A parser of odconv_torch, which cannot be imported without PyTorch; this file of it can."""
    parser: ArgumentParser = run_path(str(ROOT / "odconv_torch" / "parsers.py"))[name]()
    return parser


def _subparser(name: str) -> ArgumentParser:
    whole = parser_for([name])
    (commands,) = (a for a in whole._actions if isinstance(a, _SubParsersAction))
    parser: ArgumentParser = commands.choices[name]
    return parser
