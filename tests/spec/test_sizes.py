"""Parameters and multiply-adds against the published numbers and against counting by hand."""

from __future__ import annotations

import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, ODConvSpec, list_models, model_spec
from odconv_spec.published import PUBLISHED, agrees
from odconv_spec.sizes import multiply_adds


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.model}-{row.options}")
def test_parameters_are_the_published_ones_or_the_row_says_why_not(row):
    met = bool(row.parameters) and agrees(row.parameters, row.spec().trainable_count())
    assert met is not bool(row.reason)


PRINTED = [row for row in PUBLISHED if row.multiply_adds]


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: f"{row.model}-{row.options}")
def test_multiply_adds_are_the_published_ones_or_the_row_says_why_not(row):
    assert agrees(row.multiply_adds, multiply_adds(row.spec())) is not bool(row.work_reason)


def test_multiply_adds_of_static_networks_and_small_ones_are_the_published_ones():
    met = {row.model for row in PRINTED if not row.work_reason}
    assert {"resnet18", *(f"mobilenetv2_{width}" for width in ("050", "075", "100"))} <= met


def test_exact_counts():
    counts = {
        "cond_mobilenetv2_100": 22_878_496,
        "cond_mobilenetv2_075": 17_514_176,
        "cond_mobilenetv2_050": 13_613_920,
        "od_mobilenetv2_100": 11_512_149,
        "dy_resnet50": 100_878_072,
    }
    options = {"od_mobilenetv2_100": {"kernel_num": 4}, "dy_resnet50": {"fc1_bias": True}}
    for name, count in counts.items():
        assert model_spec(name, **options.get(name, {})).trainable_count() == count


GEOMETRY = {"in_channels": 6, "out_channels": 8, "kernel_size": 3, "padding": 1, "stride": (1, 2)}
CONV = 8 * 6 * 9 * (5 * 4)  # out, in, taps, positions of a map of 5 x 7
MEAN = 6 * 5 * 7


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (ConvSpec(**GEOMETRY), CONV),
        (ConvSpec(**GEOMETRY, groups=2), CONV // 2),
        (DyConvSpec(**GEOMETRY, kernel_num=3), CONV + MEAN + 6 * 1 + 1 * 3 + 3 * 8 * 6 * 9),
        (CondConvSpec(**GEOMETRY, kernel_num=3), CONV + MEAN + 6 * 3 + 3 * 8 * 6 * 9),
        (CondConvSpec(**GEOMETRY, kernel_num=3, router="shared"), CONV + 3 * 8 * 6 * 9),
        (
            ODConvSpec(**GEOMETRY, kernel_num=3),
            # mean, trunk, heads, scaled input and output, scaled taps, mixture
            CONV + MEAN + 6 * 16 + 16 * (6 + 8 + 9 + 3) + MEAN + 8 * 20 + 8 * 6 * 9 * (1 + 3),
        ),
        (ODConvSpec(**GEOMETRY, kernel_num=1, attentions=()), CONV),
        (
            ODConvSpec(**GEOMETRY, kernel_num=2, attention_sharing=False),
            CONV + MEAN + 6 * 16 + 16 * (12 + 16 + 18 + 2) + 2 * (MEAN + 8 * 20 + 8 * 6 * 9 * 2),
        ),
    ],
)
def test_layers_are_counted_by_hand(spec, count):
    assert multiply_adds(spec, (5, 7)) == count


def test_same_padding_beside_a_stride_rounds_sizes_up():
    spec = ConvSpec(in_channels=2, out_channels=3, kernel_size=(5, 1), stride=2, padding="same")
    assert spec.output_size((7, 8)) == (4, 4)
    assert multiply_adds(spec, (7, 8)) == 4 * 4 * 2 * 3 * 5


def test_every_model_has_a_size_at_every_image():
    for name in list_models():
        spec = model_spec(name)
        assert multiply_adds(spec, 64) < multiply_adds(spec, (64, 96)) < multiply_adds(spec)


def test_features_are_the_maps_at_their_strides():
    for name in list_models():
        spec = model_spec(name)
        info = spec.feature_info()
        assert [entry.stride for entry in info] == [2, 4, 8, 16, 32]
        maps = {
            (conv.out_channels, 224 // conv.output_size(size)[0])
            for conv, size in spec.maps((224, 224))
            if isinstance(conv, ConvSpec)
        }
        if spec.family != "shufflenetv2":  # whose maps several convolutions make together
            assert {(entry.channels, entry.stride) for entry in info} <= maps


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "size: expected a whole number >= 1, received 0"),
        ((5, 5, 5), r"size: expected a whole number or 2 of them, received \(5, 5, 5\)"),
        (1, r"expected a kernel that fits into the padded map, received \(9, 9\).*map of \(1, 1\)"),
    ],
)
def test_wrong_sizes(size, message):
    with pytest.raises(ValueError, match=message):
        multiply_adds(ConvSpec(in_channels=1, out_channels=1, kernel_size=9), size)
