"""Arrays out of and into live models."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from odconv_spec import ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.quick import quick_rows
from weights_converter import (
    DamagedError,
    MismatchError,
    Request,
    assign,
    convert,
    extract,
    formats,
    load_into,
)
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.live.arrays import adapter_of, framework_of
from weights_converter.names.companions import companions
from weights_converter.names.layouts import LAYOUTS

ENDINGS = (".pth", ".pdparams", ".weights.h5", ".safetensors", ".npz")
EXAMPLES = Path(__file__).parents[2] / "examples"
SPECS = {
    "layer": ODConvSpec(in_channels=6, out_channels=6, kernel_size=3, bias=True),
    "od_resnet18": model_spec(
        "od_resnet18", kernel_num=2, stages=[[8, 1], [12, 1]], stem_channels=8, num_classes=8
    ),
    "od_mobilenetv2": model_spec("od_mobilenetv2_050", stages=[[1, 16, 1, 1], [3, 24, 2, 2]]),
    "resnet50": model_spec("resnet50", stages=[[8, 1], [12, 1]], stem_channels=8),
    "cbam_resnet18": model_spec("cbam_resnet18", reduction=4, stages=[[8, 1]], stem_channels=8),
}
DIGITS = model_spec(
    "od_mobilenetv2_100",
    kernel_num=4,
    num_classes=10,
    stages=[[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]],
)


def body_of(kit, spec):
    """The body of a detector that gives all maps."""
    backbone = kit.build(spec, dtype="float32")
    return kit.package.Features(backbone, range(len(spec.feature_info())))


@pytest.mark.parametrize("name", SPECS)
def test_assigned_arrays_come_back_bit_for_bit(kit, name):
    spec = SPECS[name]
    model = kit.build(spec, dtype="float32")
    arrays = random_arrays(spec.parameters(), 0, "float32")
    assign(model, arrays)
    found = extract(model)
    assert sorted(found) == sorted(p.name for p in spec.parameters())
    for key, array in arrays.items():
        assert found[key].tobytes() == array.tobytes()
        assert found[key].shape == array.shape


def test_everything_wrong_is_reported_together_and_nothing_is_assigned(kit):
    spec = SPECS["od_resnet18"]
    model = kit.build(spec, dtype="float32")
    before = extract(model)
    arrays = random_arrays(spec.parameters(), 0, "float32")
    del arrays["bn1.weight"]
    arrays["bn1.wieght"] = np.zeros(8, np.float32)
    arrays["fc.weight"] = arrays["fc.weight"][:, :5]
    arrays["fc.bias"] = arrays["fc.bias"].astype(np.float64)
    with pytest.raises(MismatchError) as error:
        assign(model, arrays)
    message = str(error.value)
    assert "1 missing, 1 unexpected, 1 of wrong shape, 1 of wrong dtype in the arrays" in message
    assert "missing     bn1.weight  expected (8,) float32" in message
    assert "unexpected  bn1.wieght  (8,) float32   did you mean 'bn1.weight'?" in message
    assert "shape       fc.weight  expected (8, 12), found (8, 5)" in message
    assert "dtype       fc.bias  expected float32, found float64" in message
    after = extract(model)
    assert all(after[key].tobytes() == before[key].tobytes() for key in before)


def test_the_shipped_checkpoint_loads_into_a_live_model(kit):
    model = kit.build(DIGITS, dtype="float32")
    path = EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar"
    load_into(model, path)
    tensors = open_model(Request(path, DIGITS)).tensors
    for key, array in extract(model).items():
        assert array.tobytes() == tensors[key].load().tobytes()


def test_a_checkpoint_of_another_model_changes_nothing(kit):
    model = kit.build(SPECS["od_resnet18"], dtype="float32")
    before = extract(model)
    with pytest.raises(MismatchError, match=r"missing.*unexpected.* in odconv4x_mobilenetv2"):
        load_into(model, EXAMPLES / "odconv4x_mobilenetv2_digits.pth.tar")
    after = extract(model)
    assert all(after[key].tobytes() == before[key].tobytes() for key in before)


@pytest.mark.parametrize("ending", [".pth", ".pdparams", ".weights.h5", ".safetensors"])
def test_a_lone_layer_loads_from_every_format(kit, tmp_path, ending):
    spec = SPECS["layer"]
    arrays = random_arrays(spec.parameters(), 1, "float32")
    path = tmp_path / f"layer{ending}"
    layout = LAYOUTS[{".pdparams": "paddle", ".weights.h5": "keras"}.get(ending, "torch")]
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in spec.parameters()
    ]
    formats.write(path, formats.format_of(path), tensors, {})
    layer = kit.build(spec, dtype="float32")
    load_into(layer, path)
    assert all(a.tobytes() == arrays[key].tobytes() for key, a in extract(layer).items())


def stored(path, spec, ending, beside=(), metadata=None):
    """A file of `spec` as a framework writes it, with the arrays `beside` them."""
    arrays = random_arrays(spec.parameters(), 1, "float32")
    layout = LAYOUTS[{".pdparams": "paddle", ".weights.h5": "keras"}.get(ending, "torch")]
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in spec.parameters()
    ]
    tensors += [Tensor.of(name, np.asarray(array)) for name, array in beside]
    formats.write(path, formats.format_of(f"x{ending}"), tensors, metadata or {})
    return path


@pytest.mark.parametrize(
    ("name", "ending"),
    quick_rows(
        [*product(["layer"], ENDINGS[::2]), *product(["od_resnet18"], ENDINGS[1:4])],
        product(["layer", "od_resnet18"], ENDINGS),
    ),
)
def test_the_temperature_that_a_file_records_is_set(kit, tmp_path, name, ending):
    told = {"odconv.temperature": "7.5"}
    source = stored(tmp_path / "a.safetensors", SPECS[name], ".safetensors", metadata=told)
    convert(source, tmp_path / f"b{ending}")
    model = kit.build(SPECS[name], dtype="float32")
    assert kit.temperatures(model) == {1}
    assert load_into(model, tmp_path / f"b{ending}").temperature == 7.5
    assert kit.temperatures(model) == {7.5}


def test_the_temperature_of_a_file_that_keras_wrote(kit, tmp_path):
    spec = SPECS["od_resnet18"]
    beside = [(c.name, np.float32(3)) for c in companions(LAYOUTS["keras"], spec.parameters())]
    path = stored(tmp_path / "a.weights.h5", spec, ".weights.h5", beside)
    model = kit.build(spec, dtype="float32")
    loaded = load_into(model, path)
    assert loaded.temperature == 3 and kit.temperatures(model) == {3}
    assert not loaded.dropped
    beside[0] = beside[0][0], np.float32(4)
    before = extract(model)
    with pytest.raises(MismatchError, match=r"temperatures 3\.0, 4\.0"):
        load_into(model, stored(tmp_path / "b.weights.h5", spec, ".weights.h5", beside))
    assert all(array.tobytes() == before[key].tobytes() for key, array in extract(model).items())


def test_a_file_without_a_temperature_leaves_the_model_its_own(kit, tmp_path):
    spec = SPECS["od_resnet18"]
    model = kit.build(spec, dtype="float32")
    adapter_of(model).set_temperature(model, 5.0)
    loaded = load_into(model, stored(tmp_path / "a.pth", spec, ".pth"))
    assert loaded.temperature is None and kit.temperatures(model) == {5}
    metadata = {"odconv.temperature": "nan"}
    path = stored(tmp_path / "b.safetensors", spec, ".safetensors", metadata=metadata)
    with pytest.raises(DamagedError, match="expected a positive temperature, found nan"):
        load_into(model, path)
    assert kit.temperatures(model) == {5}


def test_what_was_dropped_and_what_the_file_did_not_have(kit, tmp_path):
    spec = SPECS["od_resnet18"]
    model = kit.build(spec, dtype="float32")
    framework = framework_of(model)
    counters = [(c.name, np.int64(7)) for c in companions(LAYOUTS["torch"], spec.parameters())]
    path = stored(tmp_path / "a.pth", spec, ".pth", [*counters, ("loss.weight", np.ones(3))])
    with pytest.raises(MismatchError, match=r"unexpected  loss\.weight"):
        load_into(model, path)
    loaded = load_into(model, Request(path, ignore="loss.*"))
    dropped = {"loss.weight": "left out by --ignore loss.*"}
    if framework != "torch":
        dropped |= {name: "the number of batches that torch alone counts" for name, _ in counters}
    assert loaded.dropped == dropped
    assert loaded.notes == ("--ignore loss.* left out loss.weight",)
    temperature = [name for name in loaded.defaulted if name.endswith("attention/vars/0")]
    assert bool(temperature) == (framework == "keras")
    assert len(loaded.defaulted) == len(temperature)
    loaded = load_into(model, stored(tmp_path / "b.pdparams", spec, ".pdparams"))
    if framework == "torch":
        assert list(loaded.defaulted) == [name for name, _ in counters]


BODIES = ["od_resnet18", "od_mobilenetv2", "resnet50"]


@pytest.mark.parametrize(
    ("name", "ending"),
    quick_rows(
        [*zip(BODIES, ENDINGS, strict=False), ("od_mobilenetv2", ".safetensors")],
        product(BODIES, ENDINGS[:4]),
    ),
)
def test_a_body_without_a_head(kit, tmp_path, name, ending):
    """It has the names of the network everywhere, whatever it was saved in."""
    spec = SPECS[name]
    behind = ("fc.", "classifier.", f"features.{1 + len(list(spec.blocks()))}.")
    parameters = [p for p in spec.parameters() if not p.name.startswith(behind)]
    arrays = random_arrays(parameters, 3, "float32")
    bare = [Tensor.of(p.name, arrays[p.name]) for p in parameters]
    formats.write(tmp_path / "a.pth", "torch", bare, {})
    stages = None if name != "od_mobilenetv2" else [list(row) for row in spec.stages]
    convert(Request(tmp_path / "a.pth", stages=stages), tmp_path / f"b{ending}")
    body = body_of(kit, spec)
    assert sorted(extract(body)) == sorted(arrays)
    load_into(body, tmp_path / f"b{ending}")
    assert all(a.tobytes() == arrays[key].tobytes() for key, a in extract(body).items())
    assign(body, {key: np.zeros_like(array) for key, array in arrays.items()})
    wrapped = [tensor.renamed(f"backbone.{tensor.name}") for tensor in bare]
    formats.write(tmp_path / "c.pth", "torch", wrapped, {})
    load_into(body, tmp_path / "c.pth")
    assert all(a.tobytes() == arrays[key].tobytes() for key, a in extract(body).items())
