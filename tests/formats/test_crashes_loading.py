"""What a killed conversion leaves is loaded by the framework itself: the old one or the new one."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import paddle
import pytest
import torch
from safetensors.numpy import load_file

from parity_tests.reference import random_arrays
from tests.converter.crashes import AFTER, BEFORE, KILL, MOVES, attempt, faults
from tests.converter.standing import FOUR, NET, NEW, OLD
from weights_converter import Request, convert, read_manifest, save_manifest

NAMES = [p.name for p in NET.parameters()]


def keras_model():
    model = keras.Sequential(
        [keras.Input((8,)), *(keras.layers.Dense(8, use_bias=False) for _ in NAMES)]
    )
    model.compile("adam", "mse")
    return model


def in_keras(path, net):
    model = keras_model()
    model.load_weights(path)
    return [np.asarray(value).T for value in model.get_weights()]


def in_torch(path, net):
    return [value.numpy() for value in torch.load(path, weights_only=True).values()]


def in_paddle(path, net):
    return [value.numpy().T for value in paddle.load(str(path)).values()]


def in_safetensors(path, net):
    found = load_file(path)
    return [found[name] for name in NAMES]


CASES = {
    "b.pth": (in_torch, None),
    "b.pdparams": (in_paddle, None),
    "b.safetensors": (in_safetensors, None),
    "b.weights.h5": (in_keras, None),
    "b.weights.json": (in_keras, FOUR),
}


# Keras builds a model for each rename, of which a set has many. Where nothing stood before, every
# file takes its place in the same way.
SLOW = {(name, False) for name in CASES} - {("b.pth", False)} | {("b.weights.json", True)}


@pytest.mark.parametrize(
    ("name", "old"),
    [
        pytest.param(name, old, marks=pytest.mark.slow if (name, old) in SLOW else ())
        for name in CASES
        for old in (False, True)
    ],
)
def test_loaded_after_a_kill_at_every_rename(tmp_path, name, old):
    load, size = CASES[name]
    net = NET
    if load is in_keras:
        save_manifest(keras_model(), tmp_path / "net.json")
        net = read_manifest(tmp_path / "net.json")
    wanted, sources = {}, {}
    for content in (OLD, NEW):
        arrays = random_arrays(net.parameters(), content, np.float32)
        wanted[content], sources[content] = list(arrays.values()), tmp_path / f"{content}.npz"
        np.savez(sources[content], **arrays)
    folder = tmp_path / "out"
    states = []

    def write(content):
        source = Request(sources[content], net)
        convert(source, folder / name, max_shard_bytes=size, overwrite=True)

    for fault in faults(KILL, BEFORE, AFTER, names=MOVES):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if old:
            write(OLD)
        ending = attempt(lambda: write(NEW), fault)
        if (folder / name).exists():
            found = load(folder / name, net)
            states.append(next((c for c in wanted if same(found, wanted[c])), "a mix"))
        else:
            states.append("none")
        if not ending.where:
            break
    first = OLD if old else "none"
    assert states == [first] * states.count(first) + [NEW] * states.count(NEW)
    assert first in states and NEW in states


def same(found, wanted):
    return all(a.tobytes() == b.tobytes() for a, b in zip(found, wanted, strict=True))
