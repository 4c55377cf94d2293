"""A training checkpoint as the official script writes it before the temperature has come down."""

from __future__ import annotations

import torch

from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of
from weights_converter import convert

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)


def test_a_checkpoint_from_before_the_end_of_annealing_is_pointed_out(tmp_path):
    source = tmp_path / "a.pth.tar"
    state = {n: torch.from_numpy(a) for n, a in arrays_of(SPEC).items()}
    torch.save({"epoch": 4, "state_dict": state}, source)
    notes = convert(source, tmp_path / "b.pdparams").notes
    assert any("epoch 4" in note and "set_temperature" in note for note in notes)
