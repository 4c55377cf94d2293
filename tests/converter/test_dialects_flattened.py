"""Kernels that other code stores with their axes joined, and TensorFlow's names."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CondConvSpec, model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import temperature_of
from weights_converter.identify.open_model import open_model, weights_of
from weights_converter.identify.request import Request
from weights_converter.identify.target import target_of
from weights_converter.names.companions import companions
from weights_converter.names.dialect_tables import TENSORFLOW_TPU
from weights_converter.names.layouts import LAYOUTS, TENSORFLOW, TORCH

# No two axes are equal but those of the depthwise bank, whose second axis is one.
BANKS = {
    "1d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=5, rank=1, kernel_num=3),
    "2d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=(2, 5), kernel_num=3),
    "grouped": CondConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), groups=2),
    "depthwise": CondConvSpec(in_channels=6, out_channels=6, kernel_size=(3, 5), groups=6),
    "3d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=(2, 3, 5), rank=3),
}


@pytest.mark.parametrize("layout", [TORCH, TENSORFLOW], ids=lambda layout: layout.name)
@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_joined_axes_there_and_back(layout, spec):
    bank = spec.own_parameters()[0]
    array = indexed(bank.shape)
    flat = layout.to_flat(bank, array)
    assert flat.shape == layout.flat_shape(bank) == (bank.shape[0], array[0].size)
    assert layout.is_flat(bank, flat.shape) and not layout.is_flat(bank, bank.shape)
    assert flat.flags.c_contiguous
    np.testing.assert_array_equal(layout.from_flat(bank, flat), array)


def test_every_element_of_flattened_kernels():
    array = indexed((2, 3, 4, 5, 6))  # (expert, out, in, height, width)
    spec = CondConvSpec(in_channels=4, out_channels=3, kernel_size=(5, 6), kernel_num=2)
    bank = spec.own_parameters()[0]
    timm, tensorflow = TORCH.to_flat(bank, array), TENSORFLOW.to_flat(bank, array)
    for n, o, i, h, w in np.ndindex(2, 3, 4, 5, 6):
        assert timm[n, ((o * 4 + i) * 5 + h) * 6 + w] == array[n, o, i, h, w]
        assert tensorflow[n, ((h * 6 + w) * 4 + i) * 3 + o] == array[n, o, i, h, w]


def block(spec):
    """A convolution and its router beside it, as in timm and TensorFlow."""
    shared = CondConvSpec(**spec.options() | {"router": "shared", "bias": True}, rank=spec.rank)
    router = tuple(p.under("block.routing_fn") for p in spec.routing().parameters())
    return (*(p.under("block.conv") for p in shared.parameters()), *router)


@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_flattened_kernels_of_timm(tmp_path, spec):
    parameters = block(spec)
    arrays = {p.name: indexed(p.shape, 1000 * i) for i, p in enumerate(parameters)}
    flat = TORCH.to_flat(parameters[0], arrays["block.conv.weight"])
    path = write(tmp_path / "x.pth", arrays | {"block.conv.weight": flat})
    assert_same(loaded(open_model(Request(path, Manifest("Net", parameters, {})))), arrays)


@pytest.mark.parametrize("leaf", ["condconv_kernel", "depthwise_condconv_kernel"])
@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_flattened_kernels_of_tensorflow(tmp_path, spec, leaf):
    parameters = block(spec)
    arrays = {p.name: indexed(p.shape, 1000 * i) for i, p in enumerate(parameters)}
    layout = LAYOUTS["tensorflow"]
    wild = {
        layout.stored_name(p).replace(".", "/"): layout.to_stored(p.role, arrays[p.name])
        for p in parameters
    }
    del wild["block/conv/kernel"]
    wild["block/conv/condconv_bias"] = wild.pop("block/conv/bias")
    wild[f"block/conv/{leaf}"] = layout.to_flat(parameters[0], arrays["block.conv.weight"])
    weights = open_model(Request(write(tmp_path / "x.pth", wild), Manifest("Net", parameters, {})))
    assert_same(loaded(weights), arrays)
    assert weights.source.notes[-1] == f"its names are those of {TENSORFLOW_TPU.name}"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", ["od_resnet18", "dy_resnet18", "cond_resnet18", "resnet50"])
def test_our_own_networks_by_the_names_of_tensorflow(tmp_path, name, known):
    spec = model_spec(name, **SMALL_RESNET)
    arrays = arrays_of(spec)
    layout = LAYOUTS["tensorflow"]
    named = {
        layout.stored_name(p): layout.to_stored(p.role, arrays[p.name]) for p in spec.parameters()
    }
    warm = {c.name: np.float32(3) for c in companions(layout, spec.parameters())}
    tensors = {f"net.{n}": Tensor.of(f"net.{n}", np.asarray(a)) for n, a in (named | warm).items()}
    checkpoint = Checkpoint(tmp_path / "x.index", "tensorflow", "tensorflow", tensors)
    request = Request(checkpoint.path, spec if known else None)
    weights = weights_of(checkpoint, target_of(checkpoint, request))
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert weights.source.notes == ("stripped 'net.', its name",)
    assert temperature_of(weights) == (3 if warm else 1)
    assert bool(warm) == name.startswith(("od", "dy"))


def test_flattened_kernels_of_another_size(tmp_path):
    parameters = block(BANKS["2d"])
    arrays = {p.name: indexed(p.shape) for p in parameters} | {"block.conv.weight": indexed((3, 7))}
    with pytest.raises(MismatchError) as error:
        open_model(Request(write(tmp_path / "x.pth", arrays), Manifest("Net", parameters, {})))
    assert "block.conv.weight  expected (3, 240), found (3, 7)" in str(error.value)
