"""FDConv's code does not save which frequencies a group has: the converter makes the order."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ConvChoice, FDConvSpec, ResNetSpec, frequency_order
from parity_tests.reference import random_arrays
from weights_converter import convert, formats

SMALL = ResNetSpec(
    conv=ConvChoice.of("fdconv", kernel_num=2),
    stages=((20, 1), (24, 1)),
    stem_channels=18,
    num_classes=5,
)
LAYER = FDConvSpec(in_channels=6, out_channels=8, kernel_size=3)


def read(path):
    return {name: tensor.load() for name, tensor in formats.read(path).tensors.items()}


def saved(path, spec, order):
    """The arrays, and a file with them as the published code writes it, or with the order."""
    arrays = random_arrays(spec.parameters(), 3, np.float32)
    kept = {n: a for n, a in arrays.items() if order or not n.endswith("indices")}
    np.savez(path, **kept)
    return arrays


@pytest.mark.parametrize("order", [True, False], ids=["with the order", "as published"])
@pytest.mark.parametrize("spec", [SMALL, LAYER], ids=["network", "layer"])
def test_to_every_framework_and_back(tmp_path, spec, order):
    arrays = saved(tmp_path / "a.npz", spec, order)
    report = convert(tmp_path / "a.npz", tmp_path / "b.pdparams")
    convert(tmp_path / "b.pdparams", tmp_path / "c.weights.h5")
    convert(tmp_path / "c.weights.h5", tmp_path / "d.safetensors")
    found = read(tmp_path / "d.safetensors")
    made = [name for name in arrays if name.endswith("indices")]
    for name in set(arrays) - set(() if order else made):
        np.testing.assert_array_equal(found[name], arrays[name])
        assert found[name].dtype == arrays[name].dtype
    if not order and spec is LAYER:
        np.testing.assert_array_equal(found[made[0]], frequency_order(np, LAYER.order()))
    notes = [note for note in report.notes if "FDConv does not save" in note]
    assert len(notes) == (0 if order else 1)


def test_indices_are_not_cast(tmp_path):
    arrays = saved(tmp_path / "a.npz", LAYER, order=True)
    convert(tmp_path / "a.npz", tmp_path / "b.npz", dtype="float16", allow_half_statistics=True)
    found = read(tmp_path / "b.npz")
    name = "frequency_order.indices"
    assert found["dft_weight"].dtype == np.float16
    np.testing.assert_array_equal(found[name], arrays[name])
