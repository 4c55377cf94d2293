"""The registration for PaddleDetection in docs/detection.md.

PaddleDetection itself cannot be installed beside today's Paddle, so its three names are stand-ins.
"""

from __future__ import annotations

import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import paddle
import pytest

from tests.documents import examples_of

SMALL = {"stages": [[4, 1], [6, 1], [8, 1], [12, 1]], "stem_channels": 4, "kernel_num": 2}


@pytest.fixture
def registered(monkeypatch):
    """What the example registers, by name."""
    known = {}
    shape = namedtuple("ShapeSpec", ["channels", "height", "width", "stride"], defaults=[None] * 4)
    parts = {
        "ppdet.core.workspace": {
            "register": lambda cls: known.setdefault(cls.__name__, cls),
            "serializable": lambda cls: cls,
        },
        "ppdet.modeling.shape_spec": {"ShapeSpec": shape},
    }
    for name in ("ppdet", "ppdet.core", "ppdet.modeling"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, values in parts.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**values))
    ((title, code),) = examples_of("ppdet")
    exec(compile(code, title, "exec"), {})
    return known


def test_a_registered_body_gives_maps_of_the_shapes_that_it_says(registered):
    assert list(registered) == ["ODConvBody"]
    body = registered["ODConvBody"]("od_resnet18", SMALL)
    maps = body({"image": paddle.rand([2, 3, 64, 96])})
    assert [(m.shape[1], 64 // m.shape[2], 96 // m.shape[3]) for m in maps] == [
        (spec.channels, spec.stride, spec.stride) for spec in body.out_shape
    ]
    assert [spec.stride for spec in body.out_shape] == [4, 8, 16, 32]


def test_a_registered_body_has_the_names_and_the_frozen_parts_of_the_release(registered):
    body = registered["ODConvBody"]("od_resnet18", SMALL)
    body.train()
    before = {name: value.numpy() for name, value in body.state_dict().items()}
    sum(m.mean() for m in body({"image": paddle.rand([2, 3, 64, 96])})).backward()
    assert all(name.startswith("body.") for name in body.state_dict())
    frozen = ("body.conv1.", "body.bn1.", "body.layer1.")
    statistics = ("_mean", "_variance")
    for name, parameter in body.named_parameters():
        assert parameter.stop_gradient == name.startswith(frozen) or name.endswith(statistics), name
    for name, value in body.state_dict().items():
        assert (value.numpy() == before[name]).all(), name


def test_the_sixth_map_of_a_registered_body(registered):
    stages = [[1, 8, 1, 1], [3, 8, 1, 2], [3, 8, 1, 2], [3, 8, 1, 2], [3, 8, 1, 2]]
    body = registered["ODConvBody"]("od_mobilenetv2_050", {"stages": stages}, [1, 2, 3, 5])
    assert [(spec.channels, spec.stride) for spec in body.out_shape][-1] == (1280, 32)
