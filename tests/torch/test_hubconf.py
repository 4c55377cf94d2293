"""hubconf.py, by torch.hub from a copy on this machine."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from odconv_torch import create_model, list_models

ROOT = Path(__file__).parents[2]
SMALL = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 3}


def load(name, *arguments, **options):
    return torch.hub.load(str(ROOT), name, *arguments, source="local", **options)


def test_it_has_every_network_and_from_pretrained():
    spec = spec_from_file_location("hubconf", ROOT / "hubconf.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names = [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]
    assert sorted(names) == sorted([*list_models(), "from_pretrained"])
    assert all(getattr(module, name).__doc__ for name in names)


def test_a_network_and_a_folder(tmp_path):
    model = load("od_resnet18", **SMALL)
    assert model.spec == create_model("od_resnet18", **SMALL).spec
    model.save_pretrained(tmp_path)
    again = load("from_pretrained", str(tmp_path))
    assert torch.equal(again.fc.weight, model.fc.weight)


def test_weights_that_are_not_shipped():
    with pytest.raises(ValueError, match=r"od_resnet18: .* no weights are shipped"):
        load("od_resnet18", pretrained=True)
