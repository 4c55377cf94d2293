"""`odconv export` and its library face: what the file computes, by option and target."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import odconv
from odconv.exporting.targets import TARGETS
from odconv.runtimes import open_exported
from odconv_spec import model_spec
from odconv_torch import ODConv2d, create_model
from odconv_torch.layers import set_temperature
from tests.converter.helpers import arrays_of, save
from tests.quick import quick, quick_rows
from weights_converter import Request, load_into

SMALL = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5, "kernel_num": 2}
EQUAL = 1e-6
ENDINGS = ("onnx", "xml", "pt2", "torchscript")


@pytest.fixture(scope="module")
def network(checkpoint):
    model = create_model("od_resnet18", **SMALL).eval()
    load_into(model, checkpoint)
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).standard_normal((3, 3, 32, 48), np.float32)


def expected(network, images):
    with torch.no_grad():
        return network(torch.from_numpy(images)).numpy()


def played(path, images):
    network = open_exported(path)
    try:
        return network.run(images)
    finally:
        network.close()


def close(found, wanted, bound=EQUAL):
    return np.abs(found - wanted).max() <= bound * np.abs(wanted).max()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_computes_what_the_checkpoint_does(ending, exported, network, images):
    path = exported(ending)
    (logits,) = played(path, images)
    assert close(logits, expected(network, images))
    beside = {"model.bin"} if ending == "xml" else set()
    assert beside <= {file.name for file in path.parent.iterdir()}


def test_what_the_command_tells(checkpoint, tmp_path, told):
    found = told("export", checkpoint, tmp_path / "a.torchscript", "--size", "32x48")
    assert 0 < found["difference"] <= EQUAL
    assert [trial["batch"] for trial in found["trials"]] == [1, 2, 5]
    assert (found["form"], found["batch"], found["size"]) == ("compact", None, [32, 48])
    assert found["bytes"] == (tmp_path / "a.torchscript").stat().st_size
    assert {file.name for file in tmp_path.iterdir()} == {"a.torchscript"}


def test_a_portable_file_computes_the_same(portable, network, images):
    assert close(played(portable, images)[0], expected(network, images))


@pytest.mark.parametrize(
    ("ending", "form"),
    quick_rows(
        [("torchscript", "portable"), ("torchscript", "folded")],
        [(ending, form) for ending in ENDINGS for form in ("portable", "single", "folded")],
    ),
)
def test_every_form(ending, form, checkpoint, tmp_path, told):
    words = ("--size", 32, "--form", form)
    found = told("export", checkpoint, tmp_path / f"a.{ending}", *words)
    assert found["form"] == form and found["difference"] <= EQUAL
    batches = [1, 2, 5] if form == "portable" else [1]
    assert [trial["batch"] for trial in found["trials"]] == batches


# Of wide layers on small maps, whose kernels are larger than patches, and of depthwise ones.
WIDE = {"stages": [[8, 1], [72, 1]], "stem_channels": 8, "num_classes": 5}
DEPTHWISE = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]], "num_classes": 5}


@pytest.mark.parametrize(
    ("ending", "form"),
    quick_rows(
        [("onnx", "folded"), ("xml", "single")],
        [(ending, form) for ending in ("onnx", "xml") for form in ("single", "folded")],
    ),
)
@pytest.mark.parametrize("kernels", quick([3], [1, 3]))
@pytest.mark.parametrize(
    ("name", "options"), [("od_resnet18", WIDE), ("od_mobilenetv2_050", DEPTHWISE)]
)
def test_a_known_number_of_images(ending, form, kernels, name, options, tmp_path, told):
    spec = model_spec(name, kernel_num=kernels, **options)
    checkpoint = save(tmp_path / "a.pth", spec, arrays_of(spec))
    words = ("--size", 32, "--form", form, "--batch", 3, "--model", _spec_file(tmp_path, spec))
    found = told("export", checkpoint, tmp_path / f"a.{ending}", *words)
    assert found["difference"] <= EQUAL and [trial["batch"] for trial in found["trials"]] == [3]


@pytest.mark.parametrize("ending", quick(["onnx"], ["onnx", "xml", "pt2"]))
@pytest.mark.parametrize(("name", "batch"), [("od_resnet18", 1), ("dy_resnet18", 2)])
def test_products_of_tiles(name, batch, ending, tmp_path, told):
    """Of maps of 17 by 20, on which the products of 3x3 kernels are those of tiles."""
    own = {"stages": [[48, 1]], "stem_channels": 48, "num_classes": 5, "kernel_num": 3}
    spec = model_spec(name, **own)
    checkpoint = save(tmp_path / "a.pth", spec, arrays_of(spec))
    words = ("--size", "68x80", "--form", "folded", "--batch", batch)
    path = tmp_path / f"a.{ending}"
    found = told("export", checkpoint, path, *words, "--model", _spec_file(tmp_path, spec))
    assert found["difference"] <= EQUAL
    if ending == "onnx":
        kinds = [node.op_type for node in onnx.load(path).graph.node]
        assert kinds.count("Col2Im") == 2 and "Gather" not in kinds and "Expand" not in kinds


@pytest.mark.parametrize(("name", "form"), [("onnx", "folded"), ("openvino", "single")])
def test_the_default_of_a_known_batch_is_what_its_runtime_takes_fastest(name, form):
    (target,) = (target for target in TARGETS if target.name == name)
    assert target.default_form(integers=False, batch=1)[0] == form
    assert target.default_form(integers=False, batch=8)[0] == form
    assert target.default_form(integers=False, batch=None)[0] == "compact"
    assert target.default_form(integers=True, batch=1)[0] == "portable"


@pytest.mark.parametrize("kind", ["dy", "cond", "cgc", "we", "dcd", "kw", "fdconv", "weightnet"])
@pytest.mark.parametrize("ending", quick(["torchscript"], ENDINGS))
def test_every_kind(kind, ending, tmp_path, told):
    own = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5}
    spec = model_spec(f"{kind}_resnet18", **own)
    checkpoint = save(tmp_path / "a.pth", spec, arrays_of(spec))
    words = ("--size", 32, "--model", _spec_file(tmp_path, spec))
    found = told("export", checkpoint, tmp_path / f"a.{ending}", *words)
    assert found["difference"] <= EQUAL


def _spec_file(folder, spec):
    from odconv_spec import to_json

    (folder / "spec.json").write_text(to_json(spec), encoding="utf-8")
    return folder / "spec.json"


def test_a_checkpoint_of_paddle_leaves_through_torch(spec, arrays, network, images, tmp_path, run):
    source = save(tmp_path / "a.pdparams", spec, arrays, ".pdparams")
    assert run("export", source, tmp_path / "a.torchscript", "--size", "32x48", "--quiet") == 0
    assert close(played(tmp_path / "a.torchscript", images)[0], expected(network, images))


def test_probabilities_of_images_that_the_graph_normalises(checkpoint, network, images, tmp_path):
    found = odconv.export(
        checkpoint,
        tmp_path / "a.torchscript",
        size=(32, 48),
        softmax=True,
        mean=(0.1, 0.2, 0.3),
        std=0.5,
        mean_std="graph",
    )
    assert found.proof.equal
    mean = np.array([0.1, 0.2, 0.3], np.float32).reshape(3, 1, 1)
    logits = expected(network, (images - mean) / np.float32(0.5))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    (shares,) = played(tmp_path / "a.torchscript", images)
    assert np.abs(shares - powers / powers.sum(1, keepdims=True)).max() < 1e-5


def test_maps_for_a_detector(checkpoint, network, images, tmp_path):
    odconv.export(checkpoint, tmp_path / "a.torchscript", size=(32, 48), features=(0, 2))
    with torch.no_grad():
        wanted = network.forward_stages(torch.from_numpy(images), (0, 2))
    found = played(tmp_path / "a.torchscript", images)
    assert [y.shape for y in found] == [tuple(y.shape) for y in wanted]
    assert all(close(f, w.numpy()) for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize("ending", quick(["torchscript"], ENDINGS))
def test_any_size_and_a_fixed_batch(ending, checkpoint, network, tmp_path, told):
    words = ("--dynamic-size", "--size", 32, "--batch", 3, "--no-fuse")
    found = told("export", checkpoint, tmp_path / f"a.{ending}", *words)
    assert [(trial["batch"], trial["size"]) for trial in found["trials"]] == [
        (3, [32, 32]),
        (3, [64, 96]),
    ]
    images = np.random.default_rng(4).standard_normal((3, 3, 40, 72), np.float32)
    assert close(played(tmp_path / f"a.{ending}", images)[0], expected(network, images))


def test_batch_norms_are_folded_unless_they_are_to_stay(checkpoint, tmp_path, told):
    odconv.export(checkpoint, tmp_path / "a.torchscript", size=32)
    odconv.export(checkpoint, tmp_path / "b.torchscript", size=32, fuse=False)
    counts = []
    for name in "ab":
        graph = torch.jit.load(tmp_path / f"{name}.torchscript").inlined_graph
        counts.append(sum(node.kind() == "aten::batch_norm" for node in graph.nodes()))
    assert counts[0] < counts[1]


def test_a_network_in_memory_with_layers_of_ours(tmp_path):
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), ODConv2d(8, 6, 3, kernel_num=2), nn.Hardswish()
    ).eval()
    before = {name: array.clone() for name, array in model.state_dict().items()}
    set_temperature(model, 1.0)
    found = odconv.export_onnx(model, tmp_path / "a.onnx", (2, 12, 16))
    assert found.proof.difference <= EQUAL and found.job.batch is None
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.BatchNorm2d, ODConv2d, nn.Hardswish]
    assert all(torch.equal(before[name], array) for name, array in model.state_dict().items())
    x = np.random.default_rng(5).standard_normal((4, 2, 12, 16), np.float32)
    assert close(played(tmp_path / "a.onnx", x)[0], expected(model, x))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["od_resnet18", "od_mobilenetv2_050"])
def test_published_networks(name, ending, tmp_path, told):
    spec = model_spec(name, kernel_num=4)
    checkpoint = save(tmp_path / "a.pth", spec, arrays_of(spec))
    found = told("export", checkpoint, tmp_path / f"a.{ending}", "--size", 64)
    assert found["difference"] <= 3 * EQUAL


@pytest.mark.slow
@pytest.mark.parametrize("form", ["compact", "folded"])
def test_large_maps_of_a_trained_network(form, tmp_path):
    """Images of 224 pixels, for a network of 32: maps whose means lost a digit in ONNX Runtime."""
    checkpoint = Request("examples/odconv4x_mobilenetv2_digits.pth.tar", "examples/digits.json")
    found = odconv.export(checkpoint, tmp_path / "a.onnx", form=form, batch=1, size=224)
    assert found.proof.difference < 7e-6
