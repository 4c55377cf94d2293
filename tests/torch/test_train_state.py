"""Checkpoints of trainings: their layout, going on from them, and what can be wrong with them."""

from __future__ import annotations

import torch
from torch import nn
from train_helpers import last, options, run

from odconv_torch.models import build_model


def test_the_official_script_can_go_on(tmp_path):
    """What its main.py does with --resume: https://github.com/OSVAI/ODConv/blob/master/main.py."""
    run(options(tmp_path))
    content = last(tmp_path)
    model = build_model(options(tmp_path).spec)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    wrapped = nn.DataParallel(model)
    wrapped.load_state_dict(content["state_dict"])
    optimizer.load_state_dict(content["optimizer"])
    assert content["epoch"] == 2
    assert content["best_acc"] >= content["acc"] >= 0
    names = (tmp_path / "log.txt").read_text().splitlines()[0].rstrip().split("\t")
    assert len(names) == 5
    nn.functional.cross_entropy(model(torch.randn(4, 3, 20, 16)), torch.tensor([1, 2, 3, 4]))
    optimizer.step()
