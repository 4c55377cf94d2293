"""The `.h5` files of Keras 1 and 2, put together as those versions did it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from weights_converter.errors import RefusedError
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated


def layers(group, listed, vlen=False):
    """Groups of layers with arrays of ones, listed in attributes as `listed` does it."""
    kind = h5py.string_dtype() if vlen else "S40"
    group.attrs.create("layer_names", list(listed), dtype=kind)
    group.attrs["keras_version"] = b"2.13.1"
    group.attrs["backend"] = b"tensorflow"
    for layer, arrays in listed.items():
        holder = group.create_group(layer)
        holder.attrs.create("weight_names", arrays, dtype=kind)
        for number, name in enumerate(arrays):
            holder[name] = np.full((2, 3), number, "f4")


def names(path):
    return sorted(read(path).tensors)


@pytest.mark.parametrize("vlen", [False, True])
@pytest.mark.parametrize("place", ["/", "model_weights"])
@pytest.mark.parametrize("reader", [read, read_isolated])
def test_weights_and_whole_models(tmp_path, reader, place, vlen):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        listed = {"conv2d": ["conv2d/kernel:0", "conv2d/bias:0"], "input_1": [], "drop": []}
        layers(file.require_group(place), listed, vlen)
        if place != "/":
            file.attrs["model_config"] = b"{no json"
            file["optimizer_weights/Adam/m:0"] = np.ones(3)
    checkpoint = reader(tmp_path / "m.h5")
    assert (checkpoint.format, checkpoint.layout) == ("keras-legacy", "keras")
    assert sorted(checkpoint.tensors) == ["conv2d/bias", "conv2d/kernel"]
    assert checkpoint.tensors["conv2d/bias"].load().tolist() == [[1.0] * 3] * 2
    assert checkpoint.scalars == {"keras_version": "2.13.1", "backend": "tensorflow"}
    left_out = () if place == "/" else ("left out 1 arrays that belong to no layer",)
    assert checkpoint.notes == left_out and checkpoint.metadata == {}


@pytest.mark.parametrize(
    ("layer", "stored", "name"),
    [
        ("conv2d", "conv2d/kernel:0", "conv2d/kernel"),
        ("dense", "sequential/dense/kernel", "dense/kernel"),  # Keras 3
        ("resnet", "conv1/kernel:0", "resnet/conv1/kernel"),  # a model as a layer
        ("resnet", "outer/resnet/conv1/kernel", "resnet/conv1/kernel"),
        ("block/conv", "block/conv/kernel:0", "block/conv/kernel"),
        ("convolution2d_1", "convolution2d_1_W", "convolution2d_1/convolution2d_1_W"),  # Keras 1
        ("top_level_model_weights", "scale:0", "scale"),
        ("a", "not_a/kernel", "a/not_a/kernel"),
        ("rnn", "rnn/lstm_cell/kernel:0", "rnn/lstm_cell/kernel"),
        ("conv", "conv/kernel:0:0", "conv/kernel:0"),
    ],
)
def test_names(tmp_path, layer, stored, name):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers(file, {layer: [stored]})
    assert names(tmp_path / "m.h5") == [name]


def test_names_that_would_be_the_same(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers(file, {"a": ["x/a/kernel:0", "a/kernel:0"], "b": ["b/kernel:0"]})
    assert names(tmp_path / "m.h5") == ["a/a/kernel", "a/x/a/kernel", "b/kernel"]


def test_names_that_are_the_same(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers(file, {"a": ["kernel:0", "kernel"]})
    with pytest.raises(RefusedError, match="it has two arrays a/kernel"):
        read(tmp_path / "m.h5")


def test_lists_that_are_in_several_attributes(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers(file, {"dense": ["dense/kernel:0"]})
        for holder, name in ((file, "layer_names"), (file["dense"], "weight_names")):
            holder.attrs[f"{name}0"] = holder.attrs[name]
            del holder.attrs[name]
    assert names(tmp_path / "m.h5") == ["dense/kernel"]


@pytest.mark.parametrize(
    ("link", "kind"),
    [(h5py.SoftLink("/other"), "a SoftLink"), (h5py.ExternalLink("s", "/"), "an ExternalLink")],
)
def test_links(tmp_path, link, kind):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file["model_weights"] = link
    with pytest.raises(RefusedError, match=f"/model_weights is {kind}"):
        read(tmp_path / "m.h5")
