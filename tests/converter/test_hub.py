"""Hub folders without a framework: as sources of the converter, and what may be wrong with one."""

from __future__ import annotations

import json
import os

import pytest
from helpers import SMALL_RESNET, arrays_of, save

from odconv_spec import ODConvSpec, model_spec
from weights_converter import (
    DamagedError,
    FileError,
    RefusedError,
    UsageError,
    convert,
    inspect,
    verify,
)
from weights_converter.hub.card import model_card
from weights_converter.hub.config import HubConfig
from weights_converter.hub.folder import open_folder
from weights_converter.identify.model_arrays import target_metadata

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
CONFIG = HubConfig(SPEC, 3.5, tuple("abcde"), (32, 48), (0.1, 0.2, 0.3), (1, 2, 0.5))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    save(folder / "model.safetensors", SPEC, arrays_of(SPEC), ".safetensors", target_metadata(SPEC))
    (folder / "config.json").write_text(CONFIG.to_json())
    return folder


def changed(folder, change):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_a_config_comes_back(folder):
    assert HubConfig.read(folder) == CONFIG
    assert HubConfig.read(folder).to_json() == CONFIG.to_json()


def test_keys_of_a_later_version_are_left_alone(folder):
    def change(values):
        values["tags"] = ["new"]
        values["odconv"] |= {"version": "9.0", "weights": "../../other.safetensors"}
        values["pretrained_cfg"] |= {"crop_pct": 0.9}

    changed(folder, change)
    assert HubConfig.read(folder).spec == SPEC


CHANGES = {
    "another architecture": (
        lambda values: values.update(architecture="resnet18"),
        r"architecture is 'resnet18', and that of the spec 'od_resnet_custom'",
    ),
    "another number of classes": (
        lambda values: values.update(num_classes=6),
        "num_classes is 6, and that of the spec 5",
    ),
    "an unknown option": (
        lambda values: values["odconv"]["spec"].update(gate="swish"),
        r"does not know: .*received \['gate'\]",
    ),
    "an unknown family": (
        lambda values: values["odconv"]["spec"].update(family="vit"),
        "does not know: family: expected",
    ),
    "a value out of range": (
        lambda values: values["odconv"]["spec"].update(in_channels=0),
        "does not know: in_channels",
    ),
    "no spec": (lambda values: values["odconv"].pop("spec"), "tells of no model of odconv"),
    "of another library": (lambda values: values.pop("odconv"), "tells of no model of odconv"),
    "names of other classes": (
        lambda values: values.update(label_names=["a"]),
        "class_names: expected 5 names",
    ),
    "names that are none": (lambda values: values.update(label_names={"a": 1}), "expected a list"),
    "a temperature of none": (
        lambda values: values["odconv"].update(temperature=0),
        "temperature: expected a positive number, received 0",
    ),
    "a list of sizes": (lambda values: values.update(pretrained_cfg=[]), "expected an object"),
    "a size of one axis": (
        lambda values: values["pretrained_cfg"].update(input_size=[3, 32]),
        "image_size: expected",
    ),
    "a mean of text": (
        lambda values: values["pretrained_cfg"].update(mean=["a", "b", "c"]),
        "mean: expected",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_config(folder, name):
    change, message = CHANGES[name]
    changed(folder, change)
    with pytest.raises(DamagedError, match=message):
        open_folder(folder)


def test_the_version_that_wrote_it_is_named(folder):
    changed(folder, lambda values: values["odconv"].update(version="9.0\x1b", spec={"family": "x"}))
    with pytest.raises(DamagedError) as error:
        open_folder(folder)
    assert error.value.help.startswith("'9.0\\x1b' has written it, and this is ")


TEXTS = {
    "no JSON": (b"{", DamagedError, "its text is not JSON"),
    "an array": (b"[1]", DamagedError, "its text is not a JSON object"),
    "empty": (b"", DamagedError, "is not JSON"),
    "bytes": (b"\xff\xfe\x00", DamagedError, "is not JSON"),
    "a name twice": (b'{"odconv": {}, "odconv": {}}', RefusedError, "has odconv twice"),
    "brackets": (b"[" * 200000 + b"]" * 200000, DamagedError, "is not JSON"),
    "many objects": (b"[" + b"[],[]," * 400000 + b"[]]", RefusedError, "more objects than"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_config_that_is_none(folder, name):
    text, error, message = TEXTS[name]
    (folder / "config.json").write_bytes(text)
    with pytest.raises(error, match=message):
        open_folder(folder)


def test_a_huge_config(folder):
    os.truncate(folder / "config.json", 1 << 30)
    with pytest.raises(RefusedError, match="1073741824 bytes are too many"):
        open_folder(folder)


@pytest.mark.parametrize(
    "name", ["no-such-folder/a/b", "./someone/net", "../net", "a..b", "net/", "/net", "a\\b"]
)
def test_neither_a_folder_nor_an_id(name):
    with pytest.raises(FileError, match="is no folder, and no id of a model"):
        open_folder(name)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_what_can_be_no_path(name):
    with pytest.raises(FileError):
        open_folder(name)


def test_a_file_and_a_folder_without_a_config(folder, tmp_path):
    with pytest.raises(UsageError, match="is a file, and a folder is expected"):
        open_folder(folder / "model.safetensors")
    with pytest.raises(FileError, match="is no hub folder: cannot read"):
        open_folder(tmp_path)
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(FileError, match=r"is no hub folder: .* is a folder"):
        open_folder(folder)


def test_a_pickle_in_place_of_the_weights(folder):
    weights = folder / "model.safetensors"
    weights.unlink()
    save(weights, SPEC, arrays_of(SPEC), ".pth")
    with pytest.raises(RefusedError, match=r"model\.safetensors refused: .* torch") as error:
        open_folder(folder).load_into(object(), SPEC)
    assert error.value.help == "rename it, and then: odconv convert OTHER_NAME model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(FileError, match=r"has no model\.safetensors; it has pytorch") as e:
        open_folder(folder).load_into(object(), SPEC)
    assert e.value.help.endswith("odconv convert pytorch_model.bin model.safetensors")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(FileError, match=r"has no model\.safetensors$"):
        open_folder(folder).load_into(object(), SPEC)


def test_the_converter_takes_a_folder(folder, tmp_path):
    assert inspect(folder).spec == SPEC
    convert(folder, tmp_path / "a.pdparams")
    assert verify(folder, tmp_path / "a.pdparams").equal
    with pytest.raises(UsageError):
        convert(folder, folder / "model.safetensors", overwrite=True)


def test_a_checkpoint_becomes_a_folder(tmp_path):
    arrays, told = arrays_of(SPEC), {"odconv.temperature": "2.5", "odconv.class_names": '["a"]'}
    source = save(tmp_path / "a.pth", SPEC, arrays, ".pth", target_metadata(SPEC) | told)
    report = convert(source, f"{tmp_path}/new/hub/")
    folder = tmp_path / "new" / "hub"
    names = ["model.safetensors", "README.md", "config.json"]
    assert report.files == tuple(folder / name for name in names)
    assert verify(source, folder).equal
    assert HubConfig.read(folder) == HubConfig(SPEC, 2.5)  # one name of five is none
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileError, match=r"model\.safetensors exists already"):
        convert(source, folder)
    assert convert(source, folder, dry_run=True, overwrite=True).files == ()
    (folder / "model.safetensors").unlink()
    (folder / "README.md").write_text("by hand")
    with pytest.raises(FileError, match=r"config\.json exists already"):
        convert(source, folder)
    assert not (folder / "model.safetensors").exists()
    convert(source, folder, overwrite=True)
    before[folder / "README.md"] = b"by hand"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_lone_layer_is_no_hub_folder(tmp_path):
    layer = ODConvSpec(in_channels=6, out_channels=6, kernel_size=3)
    source = save(tmp_path / "a.pth", layer, arrays_of(layer))
    with pytest.raises(UsageError, match="a hub folder is for the networks of `odconv models`"):
        convert(source, f"{tmp_path}/hub/")
    assert not (tmp_path / "hub").exists()


def test_a_set_of_files_in_a_folder(folder, tmp_path):
    convert(folder, tmp_path / "model.safetensors", max_shard_bytes=20000)
    (folder / "model.safetensors").unlink()
    for path in tmp_path.glob("model*"):
        path.rename(folder / path.name)
    assert inspect(folder).spec == SPEC


def test_text_of_a_stranger_is_no_markup():
    names = ("a|b", "[x](y)", "<b>", "\x1b[31m", "e")
    card = model_card(HubConfig(SPEC, class_names=names), {"top|1": "**1**"})
    assert r"classes: 5 (a\|b, \[x\](y), \<b\>, '\\x1b\[31m', e)" in card
    assert r"| top\|1 | \*\*1\*\* |" in card


def test_a_card_invents_nothing():
    card = model_card(HubConfig(SPEC))
    assert "No figure was given when this was saved." in card
    assert "\n# license: not stated yet" in card
    assert "prepared by" not in card
    assert "images:" not in card
