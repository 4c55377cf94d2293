"""What the checkpoint of a training tells of its network and its classes, as torch saves it."""

from __future__ import annotations

import json

import pytest
import torch

from odconv_spec import model_spec, to_json
from odconv_training import Progress, parse
from tests.converter.helpers import SMALL_RESNET, arrays_of
from weights_converter import inspect
from weights_converter.identify.class_names import to_text

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
NAMES = ("ant", "bee", "Käfer", 'a "cat"', "line\nend")


def pickled(tmp_path, **beside):
    """A checkpoint of a training, as torch saves it."""
    arrays = {name: torch.from_numpy(array) for name, array in arrays_of(SPEC).items()}
    torch.save({"state_dict": arrays, **beside}, tmp_path / "a.pth")
    return tmp_path / "a.pth"


def test_a_training_tells_its_network_and_its_classes(tmp_path):
    options = parse(["--model", "od_resnet18", "--data", "photos"], "torch")
    progress = Progress.of(options, 3, 1, 50.0).to_json()
    spec = json.loads(progress) | {"spec": to_json(model_spec("od_resnet18", **SMALL_RESNET))}
    path = pickled(tmp_path, odconv=json.dumps(spec), class_names=to_text(NAMES))
    found = inspect(path)
    assert (found.spec, found.class_names) == (SPEC, NAMES)
    assert "class_names" not in str(found)


def test_another_scripts_names_are_left_alone(tmp_path):
    path = pickled(tmp_path, class_names="cat,dog")
    found = inspect(path)
    assert found.class_names == ()
    assert "  class_names  cat,dog" in str(found)


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '{"spec": 3}', "x" * 70_000])
def test_what_is_no_progress_tells_no_network(tmp_path, text):
    found = inspect(pickled(tmp_path, odconv=text))
    assert found.spec == SPEC  # inferred
