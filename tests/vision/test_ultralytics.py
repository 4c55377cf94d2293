"""Models of ultralytics whose YAML has dynamic convolutions: built, fused, counted, refused."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn import tasks
from ultralytics.utils import torch_utils

from odconv_torch import DyConv2d, ODConv2d, replace_convs
from odconv_torch.ultralytics import config_path, keep, register
from odconv_torch.ultralytics.building import dynamic_paths
from odconv_torch.ultralytics.rows import modules
from tests.examples import check_examples
from tests.quick import quick
from tests.vision.yolo import close, predictions, stir, work

NAMES = ("yolov8n-od1", "yolov8n-od4", "yolo11n-od1", "yolo11n-od4")
QUICK = ("ODConv2d", "CondConv2d", "DCDConv2d", "C2f_DyConv", "C3k2_ODConv")
COUNTS = {"yolov8n": 26, "yolo11n": 28}  # 3x3 convolutions outside the stem and the head


@pytest.fixture(autouse=True)
def registered():
    register()


def network(description):
    return tasks.DetectionModel(description, verbose=False)


def small(*rows):
    """A description whose second row and those after it are given; the detector sees two maps."""
    rows = [[-1, 1, "Conv", [32, 3, 2]], *rows]
    ends = [[-1, 1, "Conv", [64, 3, 2]], [[-2, -1], 1, "Detect", ["nc"]]]
    scales = {"n": [1.0, 0.5, 1024]}
    return {"nc": 3, "scale": "n", "scales": scales, "backbone": rows, "head": ends}


@pytest.mark.parametrize("name", NAMES)
def test_ready_models(name):
    found = network(str(config_path(name)))
    layers = dynamic_paths(found)
    assert len(layers) == COUNTS[name.partition("-")[0]]
    assert {layer.spec.kernel_num for layer in layers.values()} == {int(name[-1])}
    assert {layer.kernel_size for layer in layers.values()} == {(3, 3)}


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n"])
def test_ready_models_are_those_of_ultralytics_beside_their_kernels(name):
    """Every convolution has the place, the widths and the stride that it has in the static one."""
    static, dynamic = network(f"{name}.yaml"), network(str(config_path(f"{name}-od4")))
    ours = dynamic_paths(dynamic)
    for path, conv in static.named_modules():
        if isinstance(conv, nn.Conv2d):
            other = ours.get(path) or dynamic.get_submodule(path)
            for key in ("in_channels", "out_channels", "kernel_size", "stride", "groups"):
                assert getattr(conv, key) == getattr(other, key), (path, key)
    assert (static.stride == dynamic.stride).all()
    x = torch.rand(1, 3, 64, 96)
    assert predictions(static.eval(), x).shape == predictions(dynamic.eval(), x).shape


def test_width_and_options_of_a_row():
    options = {"kernel_num": 3, "reduction": 0.25, "attentions": ["filter", "kernel"]}
    rows = [[-1, 1, "ODConv2d", [48, 3, 2, options]], [-1, 2, "C3k2_DyConv", [64, True, 0.25]]]
    found = network(small(*rows))
    conv = found.model[1].conv
    assert isinstance(conv, ODConv2d) and (conv.in_channels, conv.out_channels) == (16, 24)
    assert (conv.spec.kernel_num, conv.spec.reduction) == (3, 0.25)
    assert conv.spec.attentions == ("filter", "kernel")
    assert (found.model[1].type, found.model[2].type) == ("ODConv2d", "C3k2_DyConv")
    block = dynamic_paths(found.model[2])
    assert len(block) == 8 and {type(layer) for layer in block.values()} == {DyConv2d}
    assert found.model[1].np == sum(p.numel() for p in found.model[1].parameters())
    assert type(found.model[2].cv1.conv) is nn.Conv2d


@pytest.mark.parametrize("repeats", [1, 3])
def test_repeated_rows(repeats):
    found = network(small([-1, repeats, "DyConv2d", [32, 3, 1]]))
    assert len(dynamic_paths(found.model[1])) == repeats


@pytest.mark.parametrize("module", quick(QUICK, modules()))
def test_every_module_fuses(module):
    block = "_" in module
    row = [-1, 1, module, [64, True] if block else [64, 3, 2]]
    found = stir(network(small(row)))
    assert dynamic_paths(found.model[1])
    x = torch.rand(2, 3, 64, 96)
    before = predictions(found, x)
    fused = copy.deepcopy(found).fuse(verbose=False)
    assert fused.is_fused() and not hasattr(fused.model[1], "bn")
    after = predictions(fused, x)
    assert (after - before).abs().max() <= 1e-5 * before.abs().max()
    other = stir(network(small([-1, 1, "Conv", [64, 3, 2]])), seed=1)
    assert (predictions(other, x).mean() - before.mean()).abs() > 0  # the norms do something


@pytest.mark.parametrize("name", quick(NAMES[1::2], NAMES))
def test_ready_models_fuse(name):
    found = stir(network(str(config_path(name))))
    x = torch.rand(2, 3, 64, 96)
    before = predictions(found, x)
    after = predictions(copy.deepcopy(found).fuse(verbose=False), x)
    assert close(after, before) and before.std() > 1


TASKS = {
    "Segment": (tasks.SegmentationModel, ["nc", 8, 16]),
    "Pose": (tasks.PoseModel, ["nc", [4, 3]]),
    "OBB": (tasks.OBBModel, ["nc", 1]),
    "Classify": (tasks.ClassificationModel, ["nc"]),
}


@pytest.mark.parametrize("task", TASKS)
def test_other_tasks(task):
    build, arguments = TASKS[task]
    description = small(
        [-1, 1, "ODConv2d", [64, 3, 2, {"kernel_num": 2}]], [-1, 1, "C2f_DyConv", [64]]
    )
    description["head"][-1] = [-1 if task == "Classify" else [-2, -1], 1, task, arguments]
    found = stir(build(description | {"kpt_shape": [4, 3]}, verbose=False))
    assert len(dynamic_paths(found)) == 3
    x = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        before, after = (first_of(net(x)) for net in (found, found.fuse(verbose=False)))
    assert (after - before).abs().max() <= 1e-6 * before.abs().max()


def first_of(outputs):
    return outputs if isinstance(outputs, torch.Tensor) else first_of(outputs[0])


def flops(found, size):
    return found.info(imgsz=[*size])[3]


@pytest.mark.parametrize("size", quick([(64, 96)], [(64, 96), (640, 640)]))
@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", *NAMES])
def test_flops(name, size):
    """`info()` is the count of the specs with the norms and the products of YOLO11's attention."""
    found = network(str(config_path(name)) if name in NAMES else f"{name}.yaml")
    whole = work(found, size)
    assert whole.norms > 0 and (whole.products > 0) == name.startswith("yolo11")
    assert flops(found, size) == pytest.approx(whole.total, rel=1e-6)
    fused = found.fuse(verbose=False)
    assert work(fused, size) == pytest.approx(whole._replace(norms=0))
    assert flops(fused, size) == pytest.approx(whole.total - whole.norms, rel=1e-6)


@pytest.mark.parametrize("module", quick(QUICK, modules()))
def test_flops_of_every_module(module):
    found = network(small([-1, 1, module, [64, True] if "_" in module else [64, 3, 2]]))
    for network_ in (found, copy.deepcopy(found).fuse(verbose=False)):
        assert flops(network_, (64, 96)) == pytest.approx(work(network_, (64, 96)).total, rel=1e-6)


def test_without_thop_nothing_is_counted_as_in_ultralytics(monkeypatch):
    monkeypatch.setitem(sys.modules, "thop", None)
    found = network(small([-1, 1, "ODConv2d", [32, 3, 2]]))
    assert torch_utils.get_flops(found, 64) == 0


def test_what_cannot_be_counted_is_nothing_as_in_ultralytics():
    """Maps of 70 pixels cannot be joined again after they were halved; training goes on."""
    found = network(str(config_path("yolov8n-od1")))
    counted = torch_utils.get_flops(found, 64)
    assert torch_utils.get_flops(found, 70) == 0
    assert torch_utils.get_flops(found, 64) == counted > 0


WRONG = {
    "option": ([-1, 1, "ODConv2d", [64, 3, 2, {"kernels": 4}]], ["ODConv2d", "kernels", "norm"]),
    "option of a block": ([-1, 1, "C2f_DyConv", [64, {"norm": "batch"}]], ["C2f_DyConv", "norm"]),
    "value": ([-1, 1, "ODConv2d", [64, 3, 2, {"kernel_num": 0}]], ["ODConv2d", "kernel_num", "0"]),
    "kind": ([-1, 1, "OdConv2d", [64, 3, 2]], ["OdConv2d", "ODConv2d", "CondConv2d"]),
    "block": ([-1, 1, "C2f_FooConv", [64]], ["C2f_FooConv", "C2f_ODConv"]),
    "options before": ([-1, 1, "ODConv2d", [{"kernel_num": 4}, 64]], ["ODConv2d", "last argument"]),
    "no arguments": ([-1, 1, "ODConv2d"], ["[from, repeats, module, arguments]", "ODConv2d"]),
    "no list": ([-1, 1, "ODConv2d", 64], ["list", "64"]),
    "a text": ("ODConv2d", ["[from, repeats, module, arguments]", "received 'ODConv2d'"]),
    "static": ([-1, 1, "Conv", [64, 3, 2, {"kernel_num": 4}]], ["Conv", "kernel_num", "ODConv2d"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows(case):
    row, words = WRONG[case]
    with pytest.raises(ValueError) as error:
        network(small(row))
    for word in ("row 1", *words):
        assert word in str(error.value)


def test_wrong_rows_of_the_head_are_counted_from_the_first():
    description = small()
    description["head"].insert(0, [-1, 1, "ODConv2d", [64, 3, 2, {"kernels": 4}]])
    with pytest.raises(ValueError, match="row 1, ODConv2d"):
        network(description)


def test_an_unknown_ready_model():
    with pytest.raises(ValueError, match="yolo11n-od4, yolov8n-od1"):
        config_path("yolov8s-od4")


def test_a_copy_has_another_size(tmp_path):
    path = tmp_path / "yolov8s-od4.yaml"
    path.write_text(config_path("yolov8n-od4").read_text())
    assert network(str(path)).model[1].conv.out_channels == 64


def test_static_weights_start_dynamic_convolutions():
    static = stir(network("yolov8n.yaml"))
    dynamic = network(str(config_path("yolov8n-od1"))).eval()
    x = torch.rand(2, 3, 64, 96)
    dynamic.load(static)
    before, after = predictions(static, x), predictions(dynamic, x)
    assert (after - before).abs().max() <= 1e-5 * before.abs().max()


def test_dynamic_weights_are_not_lost_in_a_static_model():
    with pytest.raises(ValueError, match=r"lacks 26 of 26 .*: model\.1\.conv"):
        network("yolov8n.yaml").load(network(str(config_path("yolov8n-od1"))))


def test_dynamic_weights_are_not_lost_in_a_model_with_other_options():
    weights = network(str(config_path("yolov8n-od1")))
    with pytest.raises(ValueError, match=r"lacks 26 of 26 .* other options: model\.1\.conv"):
        network(str(config_path("yolov8n-od4"))).load(weights)
    weights.model[1].conv = ODConv2d(16, 32, 3, 2, 1, bias=True, kernel_num=1)
    with pytest.raises(ValueError, match=r"lacks 1 of 26 .*: model\.1\.conv;"):
        network(str(config_path("yolov8n-od1"))).load(weights)


def test_replacing_leaves_the_fixed_convolution_of_the_head():
    model = YOLO("yolov8n.yaml")
    x = torch.rand(1, 3, 64, 96)
    before = predictions(model.model.eval(), x)
    report = replace_convs(model.model, "od", kernel_num=4)
    assert [path for path, _ in report.skipped] == ["model.22.dfl.conv"]
    assert "frozen" in report.skipped[0][1]
    assert (predictions(model.model, x) - before).abs().max() <= 1e-5 * before.abs().max()
    assert len(model.model.yaml["odconv"]) == len(report.changes)


def test_replacing_nothing_of_a_frozen_model_is_an_error():
    found = network("yolov8n.yaml").requires_grad_(False)
    with pytest.raises(ValueError, match="frozen=True"):
        replace_convs(found, "od")
    assert len(replace_convs(found, "od", "3x3", frozen=True).changes) > 20


def test_a_network_is_built_again_from_what_was_written_down():
    found = network("yolov8n.yaml")
    replace_convs(found, "od", "3x3", kernel_num=2, attentions=("filter", "kernel"))
    found.model[1].conv = DyConv2d(16, 32, 3, 2, 1, bias=False, kernel_num=3)
    assert keep(found)
    again = network(yaml.safe_load(yaml.safe_dump(found.yaml)))
    mine, theirs = dynamic_paths(found), dynamic_paths(again)
    assert {path: layer.spec for path, layer in mine.items()} == {
        path: layer.spec for path, layer in theirs.items()
    }
    assert not keep(network(str(config_path("yolov8n-od1"))))


def test_what_was_changed_by_hand_wins_over_a_row():
    found = network(small([-1, 1, "ODConv2d", [64, 3, 2]], [-1, 1, "ODConv2d", [64, 3, 2]]))
    found.model[2].conv = DyConv2d(32, 32, 3, 2, 1)
    assert keep(found)
    again = dynamic_paths(network(copy.deepcopy(found.yaml)).model)
    assert [(path, type(layer)) for path, layer in again.items()] == [
        ("1.conv", ODConv2d),
        ("2.conv", DyConv2d),
    ]


def test_ready_models_are_kept_by_their_rows_alone():
    found = network(str(config_path("yolov8n-od4")))
    assert not keep(found) and "odconv" not in found.yaml


def test_a_second_registration_does_nothing():
    before = tasks.parse_model, tasks.fuse_conv_and_bn, tasks.BaseModel.load, YOLO.train
    register()
    assert before == (tasks.parse_model, tasks.fuse_conv_and_bn, tasks.BaseModel.load, YOLO.train)


def test_examples_of_the_docstrings_run():
    known = {"tasks": tasks, "ODConv2d": ODConv2d}
    public = {f.__name__: f for f in (config_path, keep, modules, register)}
    check_examples({name: (value, known | public) for name, value in public.items()})


def test_a_version_that_lacks_a_function_is_an_error(monkeypatch):
    monkeypatch.delattr(torch_utils, "get_flops")
    with pytest.raises(ValueError, match=r"torch_utils.get_flops, which it lacks; odconv was"):
        register()
