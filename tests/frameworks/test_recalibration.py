"""Layers that scale maps and keep their shape.

The parity suite compares their numbers with the reference and with the published ones.
"""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CBAMSpec, EfficientChannelAttentionSpec, SqueezeExcitationSpec
from odconv_spec.recalibrations import RECALIBRATIONS
from parity_tests.reference import evaluate, random_arrays
from tests.converter.helpers import ENDINGS, save
from weights_converter import MismatchError, extract, load_into

SPECS = {
    "se": SqueezeExcitationSpec(channels=6, reduction=2, bias=True),
    "cbam": CBAMSpec(channels=6, reduction=2),
    "eca": EfficientChannelAttentionSpec(channels=6, kernel_size=3),
}
X = np.random.default_rng(0).standard_normal((2, 6, 5, 4))


def test_every_kind_is_tested_here():
    assert {kind: type(spec) for kind, spec in SPECS.items()} == dict(RECALIBRATIONS)


@pytest.mark.parametrize("kind", SPECS)
def test_a_layer_is_made_from_its_spec(kit, kind):
    spec, other = SPECS[kind], SPECS["eca" if kind == "se" else "se"]
    layer = kit.build(spec)
    assert layer.spec == spec
    assert type(layer) is getattr(kit.package, spec.layer_name)
    with pytest.raises(ValueError, match=rf"from_spec: expected a {type(spec).__name__}"):
        type(layer).from_spec(other)


@pytest.mark.parametrize("kind", SPECS)
def test_arrays_out_of_files_of_every_format(kit, kind, tmp_path):
    spec = SPECS[kind]
    arrays = random_arrays(spec.parameters(), 3, "float32")
    for ending in ENDINGS:
        layer = kit.build(spec, dtype="float32")
        load_into(layer, save(tmp_path / f"x{ending}", spec, arrays, ending))
        found = extract(layer)
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].tobytes() == array.tobytes(), (ending, name)
    other = SPECS["eca" if kind == "se" else "se"]
    with pytest.raises(MismatchError):
        load_into(kit.build(other, dtype="float32"), tmp_path / "x.pth")


@pytest.mark.parametrize("kind", SPECS)
def test_the_output_is_the_map_times_the_gates(kit, kind):
    arrays = random_arrays(SPECS[kind].parameters(), 0)
    run = evaluate(SPECS[kind], arrays, X)
    layer = kit.build(SPECS[kind], arrays)
    np.testing.assert_allclose(kit.run(layer, X), run.output, rtol=1e-9, atol=1e-11)
    product = X * np.prod([*np.broadcast_arrays(*run.attentions.values(), X)[:-1]], axis=0)
    np.testing.assert_allclose(run.output, product, rtol=1e-12)


def test_ties_of_the_maximum(kit):
    """A map of equal values, as behind a ReLU: finite, and each position gets the same factor."""
    layer = kit.build(SPECS["cbam"], random_arrays(SPECS["cbam"].parameters(), 0))
    y = kit.run(layer, np.zeros_like(X))
    assert (y == 0).all()


@pytest.mark.parametrize("kind", SPECS)
def test_inputs_of_another_shape(kit, kind):
    layer = kit.build(SPECS[kind])
    for shape in ((2, 5, 5, 4), (2, 6)):
        with pytest.raises(ValueError, match=r"(?i)expected"):
            kit.run(layer.__call__, np.ones(shape))  # as a user calls it, which JAX's kit does not


def test_starts_are_those_of_the_published_code(kit):
    """Linear layers and the convolution of an ECA as PyTorch's, the spatial gate at a half."""
    spec = CBAMSpec(channels=256)
    arrays = extract(kit.build(spec, dtype="float32"))
    for name, fan_in in (("ChannelGate.mlp.1", 256), ("ChannelGate.mlp.3", 16)):
        bound = fan_in**-0.5
        assert 0.9 * bound < np.abs(arrays[f"{name}.weight"]).max() <= bound * 1.0001
        assert not arrays[f"{name}.bias"].any()
    assert not arrays["SpatialGate.spatial.bn.weight"].any()
    assert arrays["SpatialGate.spatial.conv.weight"].std() == pytest.approx(
        (2 / 49) ** 0.5, rel=0.3
    )
    arrays = extract(kit.build(SqueezeExcitationSpec(channels=256, bias=True), dtype="float32"))
    for name, fan_in in (("fc.0", 256), ("fc.2", 16)):
        for leaf in ("weight", "bias"):
            assert 0.5 * fan_in**-0.5 < np.abs(arrays[f"{name}.{leaf}"]).max() <= fan_in**-0.4999
    taps = extract(kit.build(EfficientChannelAttentionSpec(kernel_size=99, channels=4)))
    assert 0.08 < np.abs(taps["conv.weight"]).max() <= 99**-0.5


def test_convolutions_inside_are_not_replaced(kit):
    """Nothing in a lone layer is a convolution of the network around it."""
    layer = kit.build(SPECS["cbam"])
    with pytest.raises(ValueError, match="which has none"):
        kit.package.replace_convs(layer, "od", lambda path, conv: True)
