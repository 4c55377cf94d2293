"""Networks of one's own: their manifests, and files of theirs through every format."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odconv_spec import ConvSpec, LinearSpec, NormSpec, ODConvSpec, Role
from odconv_spec.parameters import under
from parity_tests.reference import random_arrays
from tests.converter.helpers import ENDINGS, LAYOUT_OF
from weights_converter import FileError, MismatchError, UsageError, convert, formats, verify
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.manifest import (
    Manifest,
    manifest_from_dict,
    manifest_from_json,
    read_manifest,
    tag_of_name,
    write_manifest,
)
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import LAYOUTS, Placed

CONV = ODConvSpec(in_channels=6, out_channels=8, kernel_size=(3, 5), groups=2)
STEM = ConvSpec(in_channels=3, out_channels=6, kernel_size=3, bias=True, rank=1)
PARAMETERS = (
    *under("stem", STEM.parameters()),
    *under("body.0.norm", NormSpec(6).parameters()),
    *under("body.0.conv", CONV.parameters()),
    *under("neck.head", LinearSpec(8, 8).parameters()),  # neither its name nor its shape tells
)
NET = Manifest("Net", PARAMETERS, {p.name: "F32" for p in PARAMETERS})


def indexed():
    """Every element of every array is another number."""
    return {
        p.name: np.arange(np.prod(p.shape), dtype=np.float32).reshape(p.shape) + 1e5 * i
        for i, p in enumerate(PARAMETERS)
    }


def save(path, arrays, ending):
    layout = LAYOUTS[LAYOUT_OF[ending]]
    tensors = [
        Tensor.of(layout.stored_name(p), layout.to_stored(p.role, arrays[p.name]))
        for p in PARAMETERS
        if p.name in arrays
    ]
    formats.write(path, formats.format_of(f"x{ending}"), tensors, {})
    return path


@pytest.mark.parametrize("target", ENDINGS)
@pytest.mark.parametrize("source", ENDINGS)
def test_through_every_pair_of_formats(tmp_path, source, target):
    arrays = indexed()
    write_manifest(NET, tmp_path / "net.json")
    first = save(tmp_path / f"a{source}", arrays, source)
    convert(Request(first, tmp_path / "net.json"), tmp_path / f"b{target}")
    convert(Request(tmp_path / f"b{target}", NET), tmp_path / f"c{source}")
    assert verify(Request(first, NET), tmp_path / f"c{source}").equal
    layout = LAYOUTS[LAYOUT_OF[target]]
    found = formats.read(tmp_path / f"b{target}").tensors
    for p in PARAMETERS:
        stored = found[layout.stored_name(p)].load()
        assert stored.tobytes() == layout.to_stored(p.role, arrays[p.name]).tobytes()


@pytest.mark.parametrize("ending", [".pth", ".weights.h5", ".safetensors"])
def test_a_converted_file_knows_its_network(tmp_path, ending):
    source = save(tmp_path / "a.pth", indexed(), ".pth")
    convert(Request(source, NET), tmp_path / f"b{ending}")
    assert open_model(tmp_path / f"b{ending}").spec == NET


def test_without_a_manifest_the_advice_is_to_save_one(tmp_path):
    with pytest.raises(MismatchError, match="belong to none of the backbones") as error:
        open_model(save(tmp_path / "a.pth", indexed(), ".pth"))
    assert "save_manifest(model, 'net.json')" in error.value.help


def test_names_shapes_and_dtypes_are_exact(tmp_path):
    arrays = indexed()
    arrays["neck.head.bias"] = np.zeros(8, np.float16)
    arrays["body.0.norm.weight"] = arrays["body.0.norm.weight"][:5]
    del arrays["stem.bias"]
    path = save(tmp_path / "a.pth", arrays, ".pth")
    with pytest.raises(MismatchError) as error:
        open_model(Request(path, NET))
    assert str(error.value) == (
        "the arrays do not fit: 1 missing, 1 of wrong shape, 1 of wrong dtype in a.pth for "
        "Net (22 arrays)\n"
        "  missing     stem.bias  expected (6,) F32\n"
        "  shape       body.0.norm.weight  expected (6,), found (5,)\n"
        "  dtype       neck.head.bias  expected F32, found F16"
    )


def test_a_manifest_there_and_back(tmp_path):
    placed = (Placed("stem.weight", Role.CONV_KERNEL, (6, 3, 3), "layers/conv1d/vars/0"),)
    for manifest in (NET, Manifest("Net", placed, {}), Manifest.of_layer(CONV)):
        write_manifest(manifest, tmp_path / "net.json", overwrite=True)
        assert read_manifest(tmp_path / "net.json") == manifest
        assert manifest_from_json(json.dumps(manifest.to_dict())) == manifest


def test_a_manifest_is_not_overwritten_unless_asked(tmp_path):
    write_manifest(NET, tmp_path / "net.json")
    with pytest.raises(FileError, match="exists already"):
        write_manifest(NET, tmp_path / "net.json")


def test_paths_of_a_keras_model(tmp_path):
    """Its own file has its own names; attentions bring their temperature along."""
    parameters = tuple(
        Placed(p.name, p.role, p.shape, f"layers/{LAYOUTS['keras'].stored_name(p)}")
        for p in PARAMETERS
    )
    manifest = Manifest("Net", parameters, {})
    arrays = indexed()
    convert(Request(save(tmp_path / "a.pth", arrays, ".pth"), manifest), tmp_path / "b.weights.h5")
    names = set(formats.read(tmp_path / "b.weights.h5").tensors)
    assert names == {p.path for p in parameters} | {"layers/body/0/conv/attention/vars/0"}
    weights = open_model(Request(tmp_path / "b.weights.h5", manifest))
    assert list(weights.companions) == ["layers/body/0/conv/attention/vars/0"]
    for name, array in arrays.items():
        assert weights.tensors[name].load().tobytes() == array.tobytes()


def entry(**changes):
    return {"name": "a.weight", "role": "bias", "shape": [3], "dtype": "F32"} | changes


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], r"expected a JSON object with 'odconv.manifest': 1"),
        ({"odconv.manifest": 2, "name": "N", "arrays": []}, r"expected a JSON object with"),
        ({"odconv.manifest": 1, "name": "", "arrays": []}, r"expected the text 'name'"),
        ({"odconv.manifest": 1, "name": "N", "arrays": {}}, r"expected the text 'name'"),
        ([1], r"described by an object, received int"),
        ([entry(name="../x")], r"expected the name of an array, received ../x"),
        ([entry(name="a\nb")], r"expected the name of an array"),
        ([entry(keras="/layers/x/vars/0")], r"expected the name of an array"),
        ([entry(role="kernel")], r"a.weight: expected a role, received kernel"),
        ([entry(role=["bias"])], r"a.weight: expected a role"),
        ([entry(shape=[3, 4])], r"a.weight: a bias has \(1,\) axes, received 2"),
        ([entry(shape=[-1])], r"a.weight: expected the sizes of its axes"),
        ([entry(shape="3")], r"a.weight: expected the sizes of its axes"),
        ([entry(dtype="float32")], r"expected a dtype, received float32"),
        ([entry(dtype=["F32"])], r"expected a dtype"),
        ([entry(), entry()], r"two arrays have the same name"),
        ([entry(keras="v/0"), entry(name="b.bias", keras="v/0")], r"two arrays have the same name"),
    ],
)
def test_what_is_no_manifest(tmp_path, values, text):
    if isinstance(values, list) and values:
        values = {"odconv.manifest": 1, "name": "N", "arrays": values}
    with pytest.raises(ValueError, match=text):
        manifest_from_dict(values)
    (tmp_path / "net.json").write_text(json.dumps(values))
    with pytest.raises(UsageError, match=r"net\.json holds no manifest"):
        read_manifest(tmp_path / "net.json")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "not JSON", '{"odconv.manifest": 1}'])
def test_a_file_that_is_no_manifest(tmp_path, text):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(UsageError):
        read_manifest(tmp_path / "net.json")
    with pytest.raises(UsageError):
        open_model(Request(save(tmp_path / "a.pth", indexed(), ".pth"), tmp_path / "net.json"))


def test_files_that_are_not_text(tmp_path):
    (tmp_path / "net.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not a text file"):
        read_manifest(tmp_path / "net.json")
    with pytest.raises(FileError):
        read_manifest(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("float32", "F32"),
        ("bfloat16", "BF16"),
        ("float8_e4m3fn", "F8_E4M3"),
        ("float8_e5m2fnuz", "F8_E5M2FNUZ"),
        ("int64", "I64"),
        ("complex64", "C64"),
    ],
)
def test_names_of_dtypes(name, tag):
    assert tag_of_name(name) == tag


@pytest.mark.parametrize("name", ["quint8", "object"])
def test_dtypes_without_a_tag(name):
    with pytest.raises(UsageError, match=f"arrays of dtype {name} cannot be converted"):
        tag_of_name(name)


def test_random_networks_have_the_arrays_of_their_manifest():
    assert NET.trainable_count() == sum(
        array.size
        for name, array in random_arrays(PARAMETERS, 0, "float32").items()
        if not name.endswith(("running_mean", "running_var"))
    )
