"""KernelWarehouse: warehouses of networks, the published names, and what cannot be."""

import gzip
import json
from dataclasses import replace

import pytest

from odconv_spec import (
    ConvChoice,
    KWConvSpec,
    KWLinearSpec,
    ResNetSpec,
    ShuffleNetV2Spec,
    from_json,
    kw_temperature,
    model_spec,
    share_warehouses,
    to_json,
)
from odconv_spec.linears import lone_linear
from odconv_spec.schedule import BLEND
from odconv_spec.warehouse import own_cells
from parity_tests.golden.loader import FOLDER
from weights_converter.names.dialect_tables import KW_MOBILENETV2, KW_MOBILENETV2_HALF

with gzip.open(FOLDER / "kw_names.json.gz") as file:
    NAMES = json.load(file)

DIALECTS = {
    "kw1x_mobilenetv2_100": KW_MOBILENETV2,
    "kw4x_mobilenetv2_100": KW_MOBILENETV2,
    "kw1d2x_mobilenetv2_100": KW_MOBILENETV2_HALF,
}
FEW = {"stages": ((8, 1), (12, 2)), "stem_channels": 8, "num_classes": 5}


@pytest.mark.parametrize("entry", NAMES)
def test_names_and_shapes_are_the_published_ones(entry):
    config, name = entry.split("_", 1)
    spec = model_spec(f"kw_{name}", config=config)
    shapes = {p.name: p.shape for p in spec.parameters()}
    called = DIALECTS[entry].canonical if entry in DIALECTS else str
    published = [(called(name), shape) for name, shape in NAMES[entry].items()]
    published.sort(key=lambda row: row[0].startswith("classifier."))  # its cells come with it
    assert [(name, list(shape)) for name, shape in shapes.items()] == published
    assert type(spec).from_arrays(shapes) == from_json(to_json(spec)) == spec


@pytest.mark.parametrize(
    ("name", "config", "count"),
    [  # of the published code
        ("kw_mobilenetv2_100", "kw1d2x", 2_654_396),
        ("kw_mobilenetv2_050", "kw1d2x", 1_466_888),
        ("kw_mobilenetv2_100", "kw1x", 5_168_146),
        ("kw_mobilenetv2_100", "kw4x", 11_379_382),
        ("kw_mobilenetv2_050", "kw1x", 2_854_522),
        ("kw_mobilenetv2_050", "kw4x", 4_648_587),
    ],
)
def test_a_mobilenet_has_as_many_parameters_as_the_published_one(name, config, count):
    assert model_spec(name, config=config).trainable_count() == count


@pytest.mark.parametrize("config", ["kw1d4x", "kw1d2x", "kw1x", "kw2x", "kw4x", "kw8x"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_the_configuration_is_told_by_the_arrays(config, block):
    spec = model_spec("kw_resnet18", config=config, block=block, **FEW)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert ResNetSpec.from_arrays(shapes) == spec


def test_a_stage_begins_with_cells_of_the_one_before():
    first, *_, last = model_spec("kw_resnet50").blocks()
    assert first.convs[0].kind == first.downsample.kind == "static"
    assert [conv.place.warehouse for conv in first.convs[1:]] == [0, 0]
    assert [conv.place.warehouse for conv in last.convs] == [3, 3, 3]
    begins = next(b for b in model_spec("kw_resnet50").blocks() if b.name == "layer3.0")
    assert [c.place.warehouse for c in (*begins.convs, begins.downsample)] == [1, 2, 2, 1]


def test_the_first_block_of_a_stage_of_a_mobilenet_takes_cells_of_the_one_before():
    """Depthwise cells are apart, and the stem's; the seventh stage takes those of the sixth."""
    spec = model_spec("kw_mobilenetv2_100")
    numbers = [[c.place.warehouse for c in block.in_order()] for block in spec.blocks()]
    assert spec.stem.conv.place.warehouse == 0
    assert numbers[:4] == [[1, 2], [2, 1, 2], [3, 4, 3], [3, 4, 3]]
    assert numbers[-2:] == [[11, 12, 11]] * 2 and spec.last.conv.place.warehouse == 11


def test_half_as_many_cells_leave_the_first_pointwise_layers_of_a_mobilenet_static():
    spec = model_spec("kw_mobilenetv2_100", config="kw1d2x")
    *_, before, within, last = ([c.kind for c in b.in_order()] for b in spec.blocks())
    assert before == within == last == ["kw"] * 3
    assert [c.kind for c in next(spec.blocks()).in_order()] == ["kw", "static"]
    begins = list(spec.blocks())[13]
    assert [c.kind for c in begins.in_order()] == ["static", "kw", "static"]
    assert type(spec.head) is KWLinearSpec and spec.head.conv.place.cells == 20
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert type(spec).from_arrays(shapes) == from_json(to_json(spec)) == spec


def test_a_lone_linear_layer_comes_back_from_its_arrays():
    spec = KWLinearSpec(320, 8, False, 1 / 8, 0.5, 0.25, 0.5)
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert KWLinearSpec.from_arrays(shapes) == lone_linear(shapes) == spec


def test_stretches_follow_the_order_of_the_layers():
    """The shortcut of a block comes behind its convolutions, as in the published code."""
    spec = model_spec("kw_resnet18")
    places = [c.place for b in spec.blocks() for c in b.in_order() if c.kind == "kw"]
    of_first = [place.start for place in places if place.warehouse == 0]
    assert of_first == [0, 9, 18, 27, 36, 54]
    assert spec.warehouses.warehouses[0].stretches == (9, 9, 9, 9, 18, 2)


def test_fewer_cells_than_mixtures_start_in_a_pattern():
    assert own_cells(9, 0.25) == (0, None, None, None, None, 1, None, None, None)


def test_a_lone_layer_comes_back_from_its_arrays():
    spec = KWConvSpec(
        in_channels=8, out_channels=6, kernel_size=3, groups=2, bias=True, cell_num_ratio=2.0
    )
    shapes = {p.name: p.shape for p in spec.parameters()}
    assert KWConvSpec.from_arrays(shapes) == spec


def _layer(out, taps, **options):
    return KWConvSpec(in_channels=8, out_channels=out, kernel_size=taps, warehouse="a", **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model_spec("kw_resnet18", config="kw0x"), "config: expected the name of a"),
        (
            lambda: model_spec("kw_mobilenetv2_100", config="kw1d4x").stem,
            "config: expected 'kw1d2x', 'kw1x', 'kw2x' and so on in a mobilenetv2, received",
        ),
        (lambda: KWLinearSpec(9, 5, cell_inplane_ratio=0.5), "cell_inplane_ratio: expected cells"),
        (
            lambda: KWConvSpec(
                in_channels=8, out_channels=9, kernel_size=1, cell_outplane_ratio=0.5
            ),
            r"cell_outplane_ratio: .* 0.5 for 4 channels; the nearest is 0.333333, for 3",
        ),
        (
            lambda: KWConvSpec(in_channels=8, out_channels=8, kernel_size=3, cell_num_ratio=0.5),
            r"cell_num_ratio: .* received 0.5 for 9 mixtures, .* the nearest is 0.33",
        ),
        (
            lambda: KWConvSpec(in_channels=8, out_channels=8, kernel_size=3, cell_num_ratio=2.5),
            "cell_num_ratio: .* received 2.5 .* the nearest is [23]",
        ),
        (
            lambda: share_warehouses([_layer(8, 3), _layer(8, 1, cell_num_ratio=2.0)]),
            "warehouse 'a': expected layers with the same ratios",
        ),
        (
            lambda: share_warehouses([_layer(8, n, spatial_partition=False) for n in (1, 3)]),
            "spatial_partition: expected True where kernels of several sizes share",
        ),
        (
            lambda: ShuffleNetV2Spec(conv=ConvChoice.of("kw")).parameters(),
            "conv: expected a kind that a shufflenetv2 is made with, received 'kw', which has "
            "warehouses in mobilenetv2, resnet alone",
        ),
        (lambda: kw_temperature(0, 10, start=2.0), r"temperature: expected a number in \[0, 1\]"),
        (lambda: BLEND.check(-0.1), r"temperature: expected a number in \[0, 1\], received -0.1"),
    ],
)
def test_what_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_static_start_takes_a_cell_for_each_part():
    spec = KWConvSpec(in_channels=64, out_channels=64, kernel_size=3)
    spec.check_static_start()
    with pytest.raises(ValueError, match=r"cell_num_ratio: expected at least 1.* received 0\.33"):
        replace(spec, cell_num_ratio=1 / 3).check_static_start()
