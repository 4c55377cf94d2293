"""Pruned arrays and weight norms become the one array that the layer computes of the two."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError, RefusedError, convert, formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import PADDLE

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
LAYER = "layer1.0.conv1.weight"
RANDOM = np.random.default_rng(0)


def in_place_of(name, parts):
    """The arrays of the model with others in the place of one."""
    arrays = arrays_of(SPEC)
    del arrays[name]
    return arrays | parts


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("masks", ["float32", "bool"])
def test_a_pruned_array_is_the_product(tmp_path, dtype, masks):
    whole = arrays_of(SPEC, dtype=dtype)
    mask = RANDOM.random(whole[LAYER].shape) < 0.7
    wild = {n: a for n, a in whole.items() if n != LAYER}
    wild |= {f"{LAYER}_orig": whole[LAYER], f"{LAYER}_mask": mask.astype(masks)}
    weights = open_model(write(tmp_path / "x.pth", wild))
    # -0.0 where a negative number is masked, as in torch.
    assert_same(loaded(weights), whole | {LAYER: whole[LAYER] * mask.astype(dtype)})
    assert "folded 1 pruned arrays, orig * mask" in weights.source.notes


def test_a_pruned_array_in_bfloat16(tmp_path):
    shape = arrays_of(SPEC)[LAYER].shape
    bits = RANDOM.integers(0x3F00, 0x4000, shape, np.uint16)
    mask = (RANDOM.random(shape) < 0.5).astype(np.uint16)
    tensors = [Tensor.of(n, a) for n, a in in_place_of(LAYER, {}).items()]
    tensors.append(Tensor.of(f"{LAYER}_orig", bits, "BF16"))
    tensors.append(Tensor.of(f"{LAYER}_mask", mask * np.uint16(0x3F80), "BF16"))
    formats.write(tmp_path / "x.pth", "torch", tensors, {})
    found = open_model(tmp_path / "x.pth").tensors[LAYER]
    assert found.dtype == "BF16"
    assert np.array_equal(found.load(), bits * mask)


def test_a_mask_of_other_numbers(tmp_path):
    whole = arrays_of(SPEC)[LAYER]
    wild = in_place_of(LAYER, {f"{LAYER}_orig": whole, f"{LAYER}_mask": np.full_like(whole, 0.5)})
    path = write(tmp_path / "x.pth", wild)
    with pytest.raises(RefusedError, match="values other than 0 and 1"):
        convert(path, tmp_path / "y.pth")
    assert list(tmp_path.iterdir()) == [path]


def normed(name, g, v):
    return {f"{name}_g": g, f"{name}_v": v}


def parametrized(name, g, v):
    owner, _, leaf = name.rpartition(".")
    inner = f"{owner}.parametrizations.{leaf}.original"
    return {f"{inner}0": g, f"{inner}1": v}


@pytest.mark.parametrize("spelled", [normed, parametrized])
@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_a_weight_norm(tmp_path, axis, spelled):
    v = arrays_of(SPEC)[LAYER]
    axes = tuple(place for place in range(v.ndim) if place != axis)
    norm = np.sqrt((v.astype("f8") ** 2).sum(axes, keepdims=True))
    g = (RANDOM.random(norm.shape) + 0.5).astype("f4")
    if axis is None:
        g = g.reshape(())
    expected = (v.astype("f8") * (g.astype("f8").reshape(norm.shape) / norm)).astype("f4")
    weights = open_model(write(tmp_path / "x.pth", in_place_of(LAYER, spelled(LAYER, g, v))))
    assert_same(loaded(weights), arrays_of(SPEC) | {LAYER: expected})
    [note] = weights.source.notes
    assert note.startswith("folded 1 weight norms, g * v / |v| in float64 and rounded once")


def test_a_direction_of_zeros_is_nan_as_in_torch(tmp_path):
    v = arrays_of(SPEC)[LAYER].copy()
    v[0] = 0
    g = np.ones((len(v), *(1,) * (v.ndim - 1)), np.float32)
    path = write(tmp_path / "x.pth", in_place_of(LAYER, normed(LAYER, g, v)))
    with pytest.raises(RefusedError, match=rf"{LAYER} has {v[0].size} NaN"):
        convert(path, tmp_path / "y.pth")


def test_inside_of_wrappers(tmp_path):
    v = arrays_of(SPEC)[LAYER]
    mask = (v > 0).astype("f4")
    wild = in_place_of(LAYER, {f"{LAYER}_orig": v, f"{LAYER}_mask": mask})
    path = write(tmp_path / "x.pth", {f"module.{n}": a for n, a in wild.items()})
    assert_same(loaded(open_model(Request(path, SPEC))), arrays_of(SPEC) | {LAYER: v * mask})


def test_norms_of_paddle(tmp_path):
    arrays = arrays_of(SPEC)
    v = arrays["fc.weight"].T  # (in, out), as Paddle stores it
    g = (RANDOM.random(v.shape[0]) + 0.5).astype("f4")
    scale = g.astype("f8") / np.sqrt((v.astype("f8") ** 2).sum(1))
    expected = (v * scale[:, None]).astype("f4")
    path = in_paddle(tmp_path, arrays, "fc.weight", normed("fc.weight", g, v))
    weights = open_model(Request(path, SPEC))
    assert_same(loaded(weights), arrays | {"fc.weight": np.ascontiguousarray(expected.T)})


def in_paddle(tmp_path, arrays, name, parts):
    plain = save(tmp_path / "plain.pdparams", SPEC, arrays, ".pdparams")
    kept = {n: t.load() for n, t in formats.read(plain).tensors.items() if n != name}
    tensors = [Tensor.of(n, a) for n, a in (kept | parts).items()]
    formats.write(tmp_path / "x.pdparams", "pdparams", tensors, {})
    return tmp_path / "x.pdparams"


def test_a_norm_of_paddle_that_nothing_tells_the_axis_of(tmp_path):
    """Paddle stores g as one axis: in a square kernel, any axis may be it."""
    name = "layer1.0.bn1.weight"
    v = indexed((8, 8))
    arrays = arrays_of(SPEC)
    path = in_paddle(tmp_path, arrays, name, normed(name, np.ones(8, "f4"), v))
    with pytest.raises(RefusedError, match="of which nothing tells the axis") as error:
        open_model(Request(path, SPEC))
    assert "paddle.nn.utils.remove_weight_norm(layer)" in error.value.help
    assert PADDLE.name == formats.read(path).layout


@pytest.mark.parametrize(
    "parts",
    [
        {f"{LAYER}_orig": indexed((3,)), f"{LAYER}_mask": indexed((4,))},  # of two shapes
        {f"{LAYER}_g": indexed((3, 2)), f"{LAYER}_v": indexed((3, 2))},  # norms over no axis
    ],
)
def test_what_is_no_pair(tmp_path, parts):
    path = write(tmp_path / "x.pth", in_place_of(LAYER, parts))
    with pytest.raises((MismatchError, RefusedError), match=r"weight_(orig|g)"):
        open_model(Request(path, SPEC))
