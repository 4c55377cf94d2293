"""timm's own tests of models on ours, from a checkout of timm that the reader gives.

    python -m tests.vision.timm_suite pytorch-image-models

The tests of TorchScript are left out: PyTorch deprecates it, and these layers do not support it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import pytest
import timm

from odconv_torch.timm import register_timm_models

NAMES = (
    "od_resnet18",
    "od_resnet50",
    "od_mobilenetv2_050",
    "od_mobilenetv2_100",
    "dy_resnet18",
    "dy_mobilenetv2_050",
    "dy_mobilenetv2_100",
    "cond_resnet18",
    "cond_mobilenetv2_050",
    "cond_mobilenetv2_100",
)
TESTS = (
    "test_model_forward",
    "test_model_backward",
    "test_model_default_cfgs",
    "test_model_forward_features",
    "test_model_forward_intermediates_features",
    "test_model_forward_intermediates",
    "test_model_forward_fx",
    "test_model_backward_fx",
)


def main(arguments: Sequence[str]) -> int:
    """Runs them; the exit status is pytest's."""
    parser = ArgumentParser(prog="python -m tests.vision.timm_suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a folder with timm's repository")
    file = parser.parse_args(arguments).checkout / "tests" / "test_models.py"
    if not file.is_file():
        parser.error(f"{file} is not there")
    register_timm_models()
    timm.list_models = lambda *args, **kwargs: list(NAMES)  # which its tests take their names from
    # Its folder has the name of ours, which stands for the one that Python knows.
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--disable-warnings")
    return pytest.main([*options, *(f"{file}::{test}" for test in TESTS)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
