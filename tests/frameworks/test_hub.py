"""Hub folders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from odconv_spec import model_spec
from parity_tests.reference import random_arrays
from tests.examples import check_examples
from weights_converter import ConverterError, MismatchError, UsageError, extract, load_into
from weights_converter.hub.mixin import HubModel

OPTIONS = {
    "od_resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "kernel_num": 2},
    "cond_mobilenetv2_050": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]], "kernel_num": 2},
}
TOLD = {
    "class_names": ["cat", "dog", "Käfer"],
    "image_size": (33, 40),
    "mean": [0.1, 0.2, 0.3],
    "std": [0.5, 1, 2.0],
}
X = np.random.default_rng(0).standard_normal((2, 3, 33, 40)).astype(np.float32)


def made(kit, name="od_resnet18", dtype="float32", **options):
    """A small network with random arrays, and a temperature if it has attentions."""
    spec = model_spec(name, **{"num_classes": 3} | OPTIONS[name] | options)
    model = kit.build(spec, random_arrays(spec.parameters(), 1, dtype), dtype=dtype)
    kit.package.set_temperature(model, 2.5)
    return model


def same_arrays(found, expected, but=()):
    for name in expected.keys() - set(but):
        assert found[name].tobytes() == expected[name].tobytes(), name


@pytest.mark.parametrize("name", OPTIONS)
def test_a_folder_gives_the_model_and_is_written_again(kit, name, tmp_path):
    model = made(kit, name)
    model.save_pretrained(tmp_path / "first", **TOLD)
    again = kit.package.from_pretrained(tmp_path / "first")
    assert again.spec == model.spec
    same_arrays(extract(again), extract(model))
    np.testing.assert_array_equal(kit.run(again, X), kit.run(model, X))
    config = again.hub_config
    assert config.class_names == ("cat", "dog", "Käfer")
    assert (config.image_size, config.mean, config.std) == ((33, 40), (0.1, 0.2, 0.3), (0.5, 1, 2))
    again.save_pretrained(tmp_path / "again")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_the_temperature_comes_back(kit, tmp_path):
    made(kit).save_pretrained(tmp_path)
    assert kit.temperatures(kit.package.from_pretrained(str(tmp_path))) == {2.5}


@pytest.mark.parametrize(("classes", "head"), [(7, (2, 7)), (0, (2, 12))])
def test_another_head(kit, classes, head, tmp_path):
    model = made(kit)
    model.save_pretrained(tmp_path, **TOLD)
    other = kit.package.from_pretrained(tmp_path, num_classes=classes)
    assert other.num_classes == classes
    assert kit.run(other, X).shape == head
    same_arrays(extract(other), extract(model), but=("fc.weight", "fc.bias"))
    assert other.hub_config.class_names == ()
    assert other.hub_config.image_size == (33, 40)


def test_a_new_head_has_no_class_names(kit, tmp_path):
    made(kit).save_pretrained(tmp_path / "first", **TOLD)
    model = kit.package.from_pretrained(tmp_path / "first", num_classes=3)
    assert model.hub_config.class_names == ("cat", "dog", "Käfer")
    model.reset_classifier(3)
    model.save_pretrained(tmp_path / "second")
    assert "label_names" not in json.loads((tmp_path / "second" / "config.json").read_text())


def test_a_body(kit, tmp_path):
    model = made(kit)
    model.save_pretrained(tmp_path)
    body = kit.package.from_pretrained(tmp_path, features_only=True, out_indices=(0, 2))
    maps = kit.run(lambda x: model.forward_stages(x, (0, 2)), X)
    # JAX compiles the one and not the other, which round on their own.
    for y, expected in zip(kit.run(body, X), maps, strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="features_only=True beside it, received 1 alone"):
        kit.package.from_pretrained(tmp_path, out_indices=1)


def test_arrays_of_another_dtype(kit, tmp_path):
    model = made(kit, dtype="float64")
    model.save_pretrained(tmp_path)
    arrays = extract(kit.package.from_pretrained(tmp_path))
    for name, array in extract(model).items():
        assert arrays[name].tobytes() == array.astype(np.float32).tobytes()


def test_bfloat16_which_numpy_does_not_have(kit, tmp_path):
    model = kit.build(model_spec("od_resnet18", **OPTIONS["od_resnet18"]), dtype="bfloat16")
    model.save_pretrained(tmp_path)
    bits = {name: array.astype(np.uint32) << 16 for name, array in extract(model).items()}
    arrays = extract(kit.package.from_pretrained(tmp_path))
    for name, array in arrays.items():
        assert array.tobytes() == bits[name].tobytes(), name
    again = kit.build(model.spec, dtype="bfloat16")
    load_into(again, tmp_path)
    same_arrays(extract(again), extract(model))


def test_what_is_there_is_not_lost(kit, tmp_path):
    model, card = made(kit), tmp_path / "README.md"
    model.save_pretrained(tmp_path, metrics={"accuracy | test": 0.5}, license="mit")
    assert "| accuracy \\| test | 0.5 |" in card.read_text()
    assert "\nlicense: mit\n" in card.read_text()
    weights = (tmp_path / "model.safetensors").read_bytes()
    model = made(kit, num_classes=4)
    with pytest.raises(ConverterError, match=r"model\.safetensors exists already"):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    card.write_text("by hand")
    with pytest.raises(UsageError, match=r"README\.md is there already and is left as it is"):
        model.save_pretrained(tmp_path, overwrite=True, metrics={"accuracy": 0.6})
    written = model.save_pretrained(tmp_path, overwrite=True)
    assert [path.name for path in written] == ["model.safetensors", "config.json"]
    assert card.read_text() == "by hand"
    assert kit.package.from_pretrained(tmp_path).num_classes == 4


WRONG = [
    ({"class_names": ["cat", "dog"]}, "class_names: expected 3 names, .* received 2"),
    ({"class_names": "cat"}, "class_names: expected several values, received 'cat'"),
    ({"class_names": [1, 2, 3]}, "class_names: expected texts"),
    ({"image_size": 0}, r"image_size: expected \(height, width\) in pixels, received \(0, 0\)"),
    ({"image_size": (32, 32, 3)}, "image_size: expected"),
    ({"mean": [0.5]}, r"mean: expected a number a channel, received \(0.5,\)"),
    ({"std": [0.5, 0, 1]}, "std: expected"),
    ({"license": "MIT License"}, "license: expected a name such as 'apache-2.0'"),
    ({"metrics": {"accuracy": None}}, "metrics: expected numbers or texts, received None"),
]


def test_what_does_not_fit_the_model(kit, tmp_path):
    model = made(kit)
    for told, message in WRONG:
        with pytest.raises(UsageError, match=message):
            model.save_pretrained(tmp_path / "new", **told)
    assert not (tmp_path / "new").exists()


def test_layers_of_several_temperatures(kit, tmp_path):
    model = made(kit)
    kit.package.set_temperature(kit.dynamic(model)[0], 30.0)
    with pytest.raises(MismatchError, match=r"temperatures 2\.5, 30\.0; expected one"):
        model.save_pretrained(tmp_path)


def test_weights_that_the_config_does_not_describe(kit, tmp_path):
    made(kit).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["odconv"]["spec"]["conv_options"]["kernel_num"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match=r"config\.json says that this is od_resnet_custom"):
        kit.package.from_pretrained(tmp_path)


class Hub:
    """What our packages use of huggingface_hub; it keeps what it was asked for."""

    def __init__(self, folder):
        self.folder, self.asked = folder, {}

    def snapshot_download(self, repo_id, **options):
        self.asked = {"repo_id": repo_id, **options}
        return str(self.folder)

    def HfApi(self, **options):  # a class there
        self.asked |= options
        return self

    def create_repo(self, repo_id, **options):
        self.asked |= options
        return SimpleNamespace(repo_id=f"me/{repo_id}")

    def file_exists(self, repo_id, name, revision):
        return revision == "with-card"

    def upload_folder(self, folder_path, **options):
        self.asked |= options
        self.folder.mkdir()
        for path in Path(folder_path).iterdir():
            (self.folder / path.name).write_bytes(path.read_bytes())
        return "https://huggingface.co/me/cats/commit/1"


def test_the_hub_itself(kit, tmp_path, monkeypatch):
    model, hub = made(kit), Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    url = model.push_to_hub("cats", private=True, token="t", class_names=TOLD["class_names"])
    assert url == "https://huggingface.co/me/cats/commit/1"
    assert hub.asked.items() >= {"repo_id": "me/cats", "private": True, "token": "t"}.items()
    assert hub.asked["commit_message"] == "Upload od_resnet_custom"
    assert hub.asked["ignore_patterns"] is None
    again = kit.package.from_pretrained("me/cats", revision="main", local_files_only=True)
    same_arrays(extract(again), extract(model))
    assert again.hub_config.class_names == ("cat", "dog", "Käfer")
    asked = {"repo_id": "me/cats", "revision": "main", "local_files_only": True}
    assert hub.asked.items() >= asked.items()
    assert "*.bin" not in hub.asked["allow_patterns"]


def test_a_card_on_the_hub_is_kept(kit, tmp_path, monkeypatch):
    model, hub = made(kit), Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(UsageError, match=r"me/cats has a README\.md already"):
        model.push_to_hub("cats", branch="with-card", metrics={"accuracy": 0.5})
    model.push_to_hub("cats", branch="with-card")
    assert hub.asked["ignore_patterns"] == ["README.md"]


def test_without_huggingface_hub(kit, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="downloading me/cats needs the package huggingface_hub"):
        kit.package.from_pretrained("me/cats")
    with pytest.raises(UsageError, match="uploading needs the package huggingface_hub"):
        made(kit).push_to_hub("cats")


def test_the_example_of_save_pretrained(kit):
    known = {"create_model": kit.package.create_model}
    check_examples({"save_pretrained": (HubModel.save_pretrained, known)})
