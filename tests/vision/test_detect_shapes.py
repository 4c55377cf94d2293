"""A small detector learns shapes from random weights."""

from __future__ import annotations

import pytest

from odconv_torch.detect.command import main
from tests.trainings import rows


@pytest.mark.slow
def test_faster_rcnn_finds_shapes(tmp_path):
    """Some seven minutes of one core; docs/detection.md has the curve."""
    data, run = tmp_path / "shapes", tmp_path / "run"
    assert main(["shapes", str(data)]) == 0
    command = ["train", "--model", "od_mobilenetv2_050", "--data", str(data), "--quiet"]
    command += ["--recipe", "small", "--clip-norm", "10", "--workers", "0", "--output", str(run)]
    assert main([*command, "--epochs", "14"]) == 0
    assert max(rows(run / "validation.csv")["AP50"]) >= 50
