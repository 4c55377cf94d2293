"""The parsers of all commands, none of which imports a framework."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Mapping

from odconv.commands import SUMMARIES
from odconv.parser import parser_for
from odconv_training.detection.options import training_parser as detection_parser
from odconv_training.options import training_parser
from parity_tests.__main__ import parity_parser


def command_parsers() -> Mapping[str, ArgumentParser]:
    """`odconv`, then each of its commands by its whole name."""
    parsers: dict[str, ArgumentParser] = {"odconv": parser_for([])}
    return parsers | {f"odconv {name}": _subparser(name) for name in SUMMARIES}


def module_parsers() -> Iterator[ArgumentParser]:
    """Those of `python -m`."""
    for framework in ("torch", "paddle", "keras"):
        yield training_parser(framework)
    yield detection_parser("python -m odconv_torch.detect train")
    yield parity_parser()


def _subparser(name: str) -> ArgumentParser:
    whole = parser_for([name])
    (commands,) = (a for a in whole._actions if isinstance(a, _SubParsersAction))
    parser: ArgumentParser = commands.choices[name]
    return parser
