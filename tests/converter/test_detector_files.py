"""Detectors of mmdetection, PaddleDetection and torchvision: names, class order, the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from odconv_spec import MobileNetV2Spec, model_spec
from odconv_spec.detectors import CODES, DetectorSpec, network_from_json
from parity_tests.reference import random_arrays
from tests.converter.helpers import arrays_of
from weights_converter import Request, convert, formats, inspect, verify
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import MismatchError, UsageError
from weights_converter.identify import detectors
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model
from weights_converter.names.layouts import LAYOUTS

STAGES = [[8, 1], [12, 2], [16, 1], [20, 1]]
RESNET = model_spec("od_resnet18", kernel_num=2, stages=STAGES, stem_channels=8, num_classes=0)
MOBILE = model_spec("od_mobilenetv2_050", num_classes=0)
SPECS = {
    "mask": DetectorSpec("mask_rcnn", RESNET, 3, out_channels=6),
    "faster": DetectorSpec("faster_rcnn", model_spec("resnet50", num_classes=0), 2),
    "mobile": DetectorSpec("mask_rcnn", MOBILE, 5, out_channels=4),
    "two maps": DetectorSpec("mask_rcnn", RESNET, 3, maps=(2, 4), out_channels=6),
    "early": DetectorSpec("faster_rcnn", RESNET, 1, maps=(1, 2), out_channels=4),
}
SMALL = [name for name in SPECS if name != "faster"]


def stored(path, spec, beside=()):
    """A file of the detector in its code's names, and its arrays by canonical name."""
    layout = LAYOUTS["paddle" if path.suffix == ".pdparams" else "torch"]
    parameters = spec.parameters()
    arrays = random_arrays(parameters, 0, "float32")
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in parameters
    ]
    tensors += [Tensor.of(name, array) for name, array in beside]
    formats.write(path, formats.format_of(path), tensors, {})
    return arrays


def loaded(weights):
    return {name: tensor.load() for name, tensor in weights.tensors.items()}


def in_code(spec, code):
    return replace(spec, code=code)


def rows_only_torchvision_has(spec):
    heads = "roi_heads.box_predictor.bbox_pred", "roi_heads.mask_predictor.mask_fcn_logits"
    rows = dict(zip(heads, (4, 1), strict=True))
    return {f"{path}.{leaf}": n for path, n in rows.items() for leaf in ("weight", "bias")}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("code", CODES)
def test_a_file_tells_its_detector(tmp_path, name, code):
    spec = in_code(SPECS[name], code)
    ending = ".pdparams" if code == "paddledetection" else ".pth"
    stored(tmp_path / f"a{ending}", spec)
    found = inspect(tmp_path / f"a{ending}")
    assert found.spec.code == "torchvision"
    assert (f"are those of {CODES[code].title}" in str(found)) == (code != "torchvision")
    assert found.spec.parameters() == SPECS[name].parameters()
    if name != "early":  # of the body's later stages the file shows nothing
        assert found.spec == SPECS[name]
        assert f"model   {spec.title}\n" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["spec"]["detector"] == spec.task


@pytest.mark.parametrize("name", SMALL)
def test_there_and_back_is_bit_equal(tmp_path, name):
    spec = in_code(SPECS[name], "mmdetection")
    arrays = stored(tmp_path / "mm.pth", spec)
    convert(tmp_path / "mm.pth", tmp_path / "tv.safetensors")
    convert(tmp_path / "tv.safetensors", tmp_path / "paddle.pdparams")
    convert(tmp_path / "paddle.pdparams", tmp_path / "back.pth", names="mmdetection")
    raw = {n: t.load() for n, t in read(tmp_path / "back.pth").items() if "tracked" not in n}
    assert raw.keys() == arrays.keys()
    for key, array in arrays.items():
        assert raw[key].tobytes() == array.tobytes(), key
    assert verify(tmp_path / "mm.pth", tmp_path / "paddle.pdparams").equal


def read(path):
    return formats.read(path).tensors


def test_the_rows_of_the_classes(tmp_path):
    spec = in_code(SPECS["mask"], "mmdetection")
    arrays = stored(tmp_path / "mm.pth", spec)
    found = loaded(open_model(tmp_path / "mm.pth"))
    for leaf in ("weight", "bias"):
        scores = arrays[f"roi_head.bbox_head.fc_cls.{leaf}"]
        ours = found[f"roi_heads.box_predictor.cls_score.{leaf}"]
        np.testing.assert_array_equal(ours[0], scores[3])  # the background
        np.testing.assert_array_equal(ours[1:], scores[:3])
        boxes = found[f"roi_heads.box_predictor.bbox_pred.{leaf}"]
        np.testing.assert_array_equal(boxes[4:], arrays[f"roi_head.bbox_head.fc_reg.{leaf}"])
        assert not boxes[:4].any()
        masks = found[f"roi_heads.mask_predictor.mask_fcn_logits.{leaf}"]
        np.testing.assert_array_equal(masks[1:], arrays[f"roi_head.mask_head.conv_logits.{leaf}"])
        assert not masks[:1].any()


def test_from_torchvision_only_its_own_rows_are_lost(tmp_path):
    spec = SPECS["mask"]
    arrays = stored(tmp_path / "tv.pth", spec)
    convert(tmp_path / "tv.pth", tmp_path / "mm.pth", names="mmdetection")
    convert(tmp_path / "mm.pth", tmp_path / "back.safetensors")
    found, lost = loaded(open_model(tmp_path / "back.safetensors")), rows_only_torchvision_has(spec)
    for key, array in arrays.items():
        rows = lost.get(key, 0)
        assert found[key][rows:].tobytes() == array[rows:].tobytes()
        assert rows == 0 or not found[key][:rows].any()


def test_linear_layers_of_paddle_are_transposed_and_its_maps_are_numbered_from_behind(tmp_path):
    spec = in_code(SPECS["two maps"], "paddledetection")
    stored(tmp_path / "a.pdparams", spec)
    shapes = {name: tensor.shape for name, tensor in read(tmp_path / "a.pdparams").items()}
    assert shapes["bbox_head.head.fc6.weight"] == (6 * 49, 1024)
    assert shapes["bbox_head.bbox_score.weight"] == (1024, 4)
    assert shapes["neck.fpn_inner_res4_sum_lateral.weight"] == (6, 12, 1, 1)
    assert shapes["neck.fpn_inner_res5_sum.weight"] == (6, 20, 1, 1)
    assert shapes["mask_head.head.upsample.mask_inter_feat_1.weight"] == (256, 6, 3, 3)
    assert open_model(tmp_path / "a.pdparams").spec == SPECS["two maps"]


def test_what_a_checkpoint_of_the_release_holds_beside_the_detector(tmp_path):
    """The classifier of the body, which it was trained with, and the counters of its norms."""
    spec = in_code(SPECS["two maps"], "mmdetection")
    spec = replace(spec, maps=(1, 2))
    whole = replace(spec.body, num_classes=1000)
    seen = {p.name for p in spec.parameters()}
    more = [p for p in whole.parameters() if f"backbone.{p.name}" not in seen]
    arrays = random_arrays(more, 1, "float32")
    beside = [(f"backbone.{name}", array) for name, array in arrays.items()]
    beside += [("backbone.bn1.num_batches_tracked", np.int64(5))]
    beside += [("backbone.layer4.0.bn1.num_batches_tracked", np.int64(5))]
    stored(tmp_path / "mm.pth", spec, beside)
    report = convert(tmp_path / "mm.pth", tmp_path / "tv.pth")
    dropped = {remark.name for remark in report.dropped}
    assert dropped == {name for name, _ in beside} - {"backbone.bn1.num_batches_tracked"}
    assert "backbone.fc.weight" in dropped
    (note,) = [note for note in report.notes if "never uses" in note]
    assert note.startswith(f"left out {len(dropped)} arrays of the body")
    tensors = read(tmp_path / "tv.pth")
    assert tensors["backbone.body.backbone.bn1.num_batches_tracked"].load() == 5
    assert open_model(tmp_path / "tv.pth").spec == replace(spec, code="torchvision")


@pytest.mark.parametrize("wrapper", ["module.", "model.", "_orig_mod.module."])
def test_wrappers(tmp_path, wrapper):
    spec = in_code(SPECS["mask"], "mmdetection")
    arrays = random_arrays(spec.parameters(), 0, "float32")
    tensors = [Tensor.of(f"{wrapper}{name}", array) for name, array in arrays.items()]
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    assert open_model(tmp_path / "a.pth").spec == SPECS["mask"]


def test_the_body_alone(tmp_path):
    spec = in_code(SPECS["mask"], "mmdetection")
    arrays = stored(tmp_path / "mm.pth", spec)
    body = {n.removeprefix("backbone."): a for n, a in arrays.items() if n.startswith("backbone.")}
    for request in (
        Request(tmp_path / "mm.pth", model=RESNET),
        Request(tmp_path / "mm.pth", prefix="backbone"),
    ):
        weights = open_model(request)
        assert weights.spec == RESNET
        assert {n: a.tobytes() for n, a in loaded(weights).items()} == {
            n: a.tobytes() for n, a in body.items()
        }


def test_a_table_of_stages_that_no_array_shows(tmp_path):
    stages = ((1, 16, 1, 1), (6, 24, 1, 2), (6, 40, 1, 2))
    body = MobileNetV2Spec(stages=stages, num_classes=0)
    spec = DetectorSpec("faster_rcnn", body, 2, out_channels=4, code="mmdetection")
    assert spec.maps == (1, 3)
    stored(tmp_path / "mm.pth", spec)
    with pytest.raises(MismatchError, match="stage table of its own"):
        open_model(tmp_path / "mm.pth")
    convert(Request(tmp_path / "mm.pth", stages=stages), tmp_path / "tv.pth")
    assert open_model(tmp_path / "tv.pth").spec == replace(spec, code="torchvision")  # it tells


def test_a_spec_in_a_file(tmp_path):
    spec = SPECS["mask"]
    stored(tmp_path / "mm.pth", in_code(spec, "mmdetection"))
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
    assert network_from_json((tmp_path / "spec.json").read_text()) == spec
    assert open_model(Request(tmp_path / "mm.pth", tmp_path / "spec.json")).spec == spec


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (replace(SPECS["mask"], num_classes=80), "Mask R-CNN, 80 classes"),
        (replace(SPECS["mask"], task="faster_rcnn"), "Faster R-CNN, 3 classes"),
    ],
)
def test_a_checkpoint_of_another_task_or_number_of_classes(tmp_path, other, wanted):
    stored(tmp_path / "mm.pth", in_code(SPECS["mask"], "mmdetection"))
    holds = f"mm.pth holds Mask R-CNN, 3 classes; you asked for {wanted}"
    with pytest.raises(MismatchError, match=holds):
        open_model(Request(tmp_path / "mm.pth", other))


@pytest.mark.parametrize("file", CODES)
@pytest.mark.parametrize("live", CODES)
def test_a_detector_that_somebody_has_built_keeps_its_own_names(tmp_path, file, live):
    """Its own code's file, too: the parameters are what `load_into` makes of a live model."""
    path = tmp_path / f"a{'.pdparams' if file == 'paddledetection' else '.pth'}"
    stored(path, in_code(SPECS["mask"], file))
    manifest = Manifest("Net", in_code(SPECS["mask"], live).parameters(), {})
    found = open_model(Request(path, manifest))
    expected = detectors.expressed(open_model(path).tensors, SPECS["mask"], live)[1]
    assert list(found.tensors) == [p.name for p in manifest.arrays]
    for name, array in loaded(found).items():
        np.testing.assert_array_equal(array, expected[name].load())


@pytest.mark.parametrize("code", CODES)
def test_a_live_detector_on_another_body_takes_files_of_its_own_code(tmp_path, code):
    """Such as one of mmdetection on a body that odconv does not know."""
    body = f"{CODES[code].path('body')}."
    parameters = tuple(
        replace(p, name=p.name.replace("layer1", "stage_one")) if p.name.startswith(body) else p
        for p in in_code(SPECS["mask"], code).parameters()
    )
    arrays = random_arrays(parameters, 0, "float32")
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    found = open_model(Request(tmp_path / "a.pth", Manifest("Net", parameters, {})))
    for name, array in loaded(found).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_arrays_that_contradict_each_other(tmp_path):
    spec = in_code(SPECS["mask"], "mmdetection")
    arrays = random_arrays(spec.parameters(), 0, "float32")
    cases = {
        "2 missing": {n: a for n, a in arrays.items() if "rpn_head.rpn_reg" not in n},
        "of wrong shape": arrays | {"roi_head.bbox_head.fc_reg.bias": np.zeros(16, "float32")},
        "1 unexpected": arrays | {"semantic_head.weight": np.zeros(3, "float32")},
        r"maps of \[8, 12, 17, 20\] channels": arrays
        | {"neck.lateral_convs.2.conv.weight": np.zeros((6, 17, 1, 1), "float32")},
    }
    for fact, wrong in cases.items():
        path = tmp_path / "wrong.pth"
        path.unlink(missing_ok=True)
        formats.write(path, "torch", [Tensor.of(n, a) for n, a in wrong.items()], {})
        with pytest.raises(MismatchError, match=fact):
            open_model(path)


def test_names_are_for_detectors(tmp_path):
    arrays = arrays_of(RESNET)
    formats.write(tmp_path / "a.pth", "torch", [Tensor.of(n, a) for n, a in arrays.items()], {})
    with pytest.raises(UsageError, match=r"expected the file of a detector beside 'mmdetection'"):
        convert(tmp_path / "a.pth", tmp_path / "b.pth", names="mmdetection")
    with pytest.raises(UsageError, match=r"names: expected torchvision, .* received mmcv"):
        convert(tmp_path / "a.pth", tmp_path / "b.pth", names="mmcv")
    assert not (tmp_path / "b.pth").exists()
