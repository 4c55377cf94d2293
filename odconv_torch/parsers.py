"""The parsers of `python -m odconv_torch.calibrate` and `python -m odconv_torch.native`.

They import the standard library only, so that the site can show them without PyTorch.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Final

_CALIBRATE: Final = """Measures what work costs on this machine, for the choice between the forms of
the dynamic convolution.

Times every form on layers of different shapes, and finds the constants of the model of costs that
explain the times best. Takes a few minutes, in which nothing else should run. Writes the constants
as JSON; `set_strategy(model, **load_costs(FILE))` uses them."""
_NATIVE: Final = """Compiles the operation of `set_strategy(model, "native")` for this machine and
this version of PyTorch.

Needs Linux and a C++ compiler: that of CXX, or `c++`. The library lies in PyTorch's folder for
extensions, that of TORCH_EXTENSIONS_DIR if it is set."""


def calibrate_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.calibrate`."""
    parser = _parser("calibrate", _CALIBRATE, "costs.json", "gpu.json --device cuda")
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="where the constants go (default: standard output)",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        choices=("cpu", "cuda"),
        help="what computes (default: cpu)",
    )
    return parser


def native_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.native`."""
    parser = _parser("native", _NATIVE, "build", "build --force")
    parser.add_argument("command", choices=("build",), help="compile the operation")
    parser.add_argument(
        "--force", action="store_true", help="compile it again where it is there already"
    )
    return parser


def _parser(tool: str, description: str, *examples: str) -> ArgumentParser:
    """A parser whose help ends with examples."""
    prog = f"python -m odconv_torch.{tool}"
    lines = "\n".join(f"  {prog} {example}" for example in examples)
    return ArgumentParser(
        prog=prog,
        description=description,
        epilog=f"examples:\n{lines}",
        formatter_class=RawDescriptionHelpFormatter,
    )
