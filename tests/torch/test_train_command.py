"""The command `python -m odconv_torch.train`, and what it says to wrong input."""

from __future__ import annotations

import sys

import numpy as np
import torch
from train_helpers import spec_file, train

from odconv_torch.train.data import Files
from odconv_training import Samples, main


def test_a_folder_without_torchvision_names_the_remedy(tmp_path, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.transforms", None)
    arguments = ["--data", folder, "--output", tmp_path / "run"]
    arguments += ["--spec", spec_file(tmp_path, num_classes=3)]
    assert main("torch", train, list(map(str, arguments))) == 2
    assert "pip install torchvision" in capsys.readouterr().err


def test_samples_that_are_no_images_are_named(tmp_path, folder):
    (folder / "train" / "cat" / "1.png").write_bytes(b"not a picture")
    paths = tuple(sorted((folder / "train" / "cat").iterdir()))
    images = Files(Samples(np.zeros(3, np.int64), paths), lambda image: torch.zeros(3, 2, 2))
    assert images.__getitems__(np.array([0, 2]))[0].shape == (2, 3, 2, 2)
    assert "1.png" in str(images.__getitems__(np.array([0, 1])))
