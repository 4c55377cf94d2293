"""Every option is validated once, with what was expected and what was received."""

from __future__ import annotations

import pytest

from odconv_spec import (
    CondConvSpec,
    ConvChoice,
    ConvSpec,
    DyConvSpec,
    DynamicConvSpec,
    MobileNetV2Spec,
    ODConvSpec,
    ResNetSpec,
    from_dict,
    from_json,
    list_models,
    model_spec,
    to_json,
)

GEOMETRY = {"in_channels": 6, "out_channels": 8, "kernel_size": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 0}, r"kernel_size: expected a whole number >= 1, received 0"),
        ({"kernel_size": 3.0}, r"kernel_size: expected a whole number or 2 of them, received 3.0"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size: expected .* 2 of them, received \(3, 3, 3\)"),
        ({"kernel_size": True}, r"kernel_size: expected a whole number >= 1, received True"),
        ({"kernel_size": "3"}, r"kernel_size: expected .* received '3'"),
        ({"stride": 0}, r"stride: expected a whole number >= 1, received 0"),
        ({"dilation": (1, 0)}, r"dilation: expected a whole number >= 1, received 0"),
        ({"padding": -1}, r"padding: expected a whole number >= 0, received -1"),
        ({"padding": "full"}, r"padding: expected one of 'valid', 'same', received 'full'"),
        ({"padding": (1, 2, 3)}, r"padding: expected 'valid', 'same', .* received \(1, 2, 3\)"),
        ({"groups": 4}, r"groups: expected a divisor of in_channels=6, received 4"),
        ({"groups": 3}, r"groups: expected a divisor of out_channels=8, received 3"),
        ({"groups": 0}, r"groups: expected a whole number >= 1, received 0"),
        ({"in_channels": 0}, r"in_channels: expected a whole number >= 1, received 0"),
        ({"kernel_num": 0}, r"kernel_num: expected a whole number >= 1, received 0"),
        ({"min_channels": 0}, r"min_channels: expected a whole number >= 1, received 0"),
        ({"reduction": 0}, r"reduction: expected a number in \(0, 1\], received 0"),
        ({"reduction": 1.5}, r"reduction: expected a number in \(0, 1\], received 1.5"),
        ({"head_init": "ones"}, r"head_init: expected one of 'zero', 'published', received 'ones'"),
    ],
)
def test_wrong_options_name_what_was_expected(options, message):
    with pytest.raises(ValueError, match=message):
        ODConvSpec(**GEOMETRY | options)


def test_geometry_has_one_form():
    spec = ConvSpec(**GEOMETRY, padding=(1, (0, 2)), stride=[1, 2])
    assert (spec.kernel, spec.strides, spec.dilations) == ((3, 3), (1, 2), (1, 1))
    assert spec.pads == ((1, 1), (0, 2))
    assert ConvSpec(**GEOMETRY, padding="valid").pads == ((0, 0), (0, 0))
    assert ConvSpec(**spec.options()) == spec


def test_same_padding_keeps_the_size_and_puts_the_odd_rest_after():
    spec = ConvSpec(in_channels=1, out_channels=1, kernel_size=(4, 3), dilation=2, padding="same")
    assert spec.pads == ((3, 3), (2, 2))
    assert ConvSpec(**GEOMETRY | {"kernel_size": 2}, padding="same").pads == ((0, 1), (0, 1))


def test_same_padding_with_a_stride_has_no_numbers():
    spec = ConvSpec(**GEOMETRY, padding="same", stride=2)
    assert spec.padding == "same"
    with pytest.raises(ValueError, match=r"padding='same': expected stride 1, .*give the padding"):
        _ = spec.pads


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ODConvSpec, {"rank": 4}, "rank: expected 1, 2 or 3 spatial axes, received 4"),
        (ODConvSpec, {"bias": 1}, "bias: expected True or False, received 1"),
        (ODConvSpec, {"attentions": "kernel"}, r"attentions: expected some of \('channel', 'filt"),
        (ODConvSpec, {"attentions": ("taps",)}, "attentions: expected one of 'channel', 'filter'"),
        (ODConvSpec, {"attentions": ("filter",)}, "expected 'kernel' beside kernel_num=4"),
        (ODConvSpec, {"spatial_activation": "relu"}, "spatial_activation: expected one of 'sigmo"),
        (ODConvSpec, {"attention_sharing": None}, "attention_sharing: expected True or False"),
        (ODConvSpec, {"norm": "group"}, "norm: expected one of 'batch', 'layer', 'none'"),
        (DyConvSpec, {"hidden_rule": "half"}, "hidden_rule: expected one of 'paper', 'plus_one'"),
        (DyConvSpec, {"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
        (DyConvSpec, {"reduction": 2}, r"reduction: expected a number in \(0, 1\], received 2"),
        (DyConvSpec, {"fc1_bias": 0}, "fc1_bias: expected True or False, received 0"),
        (DyConvSpec, {"kernel_num": 0}, "kernel_num: expected a whole number >= 1, received 0"),
        (CondConvSpec, {"router": "both"}, "router: expected one of 'own', 'shared', received 'b"),
        (CondConvSpec, {"mix_bias": "no"}, "mix_bias: expected True or False, received 'no'"),
    ],
)
def test_wrong_options_of_the_kinds(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**GEOMETRY | options)


def test_attentions_have_one_order():
    spec = ODConvSpec(**GEOMETRY, attentions=["kernel", "channel", "kernel"])
    assert spec.attentions == ("channel", "kernel")
    assert list(spec.heads()) == ["channel_fc", "kernel_fc"]


def test_a_layer_without_heads_has_no_attention():
    spec = ODConvSpec(**GEOMETRY, kernel_num=1, attentions=("kernel",))
    assert [p.name for p in spec.parameters()] == ["weight"]


def test_attentions_of_each_kernel_stand_one_after_the_other():
    spec = ODConvSpec(**GEOMETRY, attention_sharing=False)
    assert spec.heads() == {"channel_fc": 24, "filter_fc": 32, "spatial_fc": 36, "kernel_fc": 4}


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({"in_channels": 16}, 4),
        ({"in_channels": 3}, 1),
        ({"in_channels": 16, "hidden_rule": "plus_one"}, 5),
        ({"in_channels": 3, "hidden_rule": "plus_one", "kernel_num": 6}, 6),
        ({"in_channels": 16, "hidden_channels": 9}, 9),
    ],
)
def test_hidden_widths_of_dyconv(options, width):
    assert DyConvSpec(**GEOMETRY | options).attention_channels == width


@pytest.mark.parametrize(
    ("spec", "gain"),
    [
        (ODConvSpec(**GEOMETRY), 1 / 8),  # three sigmoids
        (ODConvSpec(**GEOMETRY, spatial_activation="softmax"), 1 / 36),
        (ODConvSpec(**GEOMETRY, attentions=("kernel",)), 1),
        (ODConvSpec(**GEOMETRY | {"out_channels": 6, "groups": 6}), 1 / 4),
        (DyConvSpec(**GEOMETRY), 1),
        (CondConvSpec(**GEOMETRY, kernel_num=6), 3),
    ],
)
def test_gain_of_a_mixture_that_starts_at_zero(spec, gain):
    assert spec.start_gain == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize("kind", ["od", "dy", "cond"])
def test_the_convolutions_that_a_kind_replaces(kind):
    """The rules that give the published counts."""
    resnet, mobile = (model_spec(f"{kind}_{name}") for name in ("resnet50", "mobilenetv2_100"))
    blocks = list(resnet.blocks())
    dynamic = [isinstance(block.convs[0], DynamicConvSpec) for block in blocks]
    assert sum(dynamic) == (3 if kind == "cond" else 16)
    assert dynamic[-3:] == [True] * 3
    assert isinstance(blocks[0].downsample, DynamicConvSpec) == (kind == "dy")
    assert not isinstance(resnet.stem, DynamicConvSpec)
    assert isinstance(resnet.head, CondConvSpec) == (kind == "cond")
    assert [block.shared is not None for block in blocks] == [kind == "cond" and d for d in dynamic]
    assert isinstance(mobile.last.conv, DynamicConvSpec) == (kind != "cond")
    replaced = [isinstance(block.project, DynamicConvSpec) for block in mobile.blocks()]
    assert sum(replaced) == (6 if kind == "cond" else 17)


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, set()),
        ({"kernel_num": 1}, {"kernel_fc"}),
        ({"kernel_size": 1}, {"spatial_fc"}),
        ({"kernel_size": (1, 3)}, set()),
        ({"in_channels": 8, "groups": 8}, {"filter_fc"}),
        ({"in_channels": 4, "groups": 4}, set()),
        ({"in_channels": 1, "out_channels": 1}, {"filter_fc"}),
    ],
)
def test_heads_exist_as_in_the_published_code(options, absent):
    every = {"channel_fc", "filter_fc", "spatial_fc", "kernel_fc"}
    assert set(ODConvSpec(**GEOMETRY | options).heads()) == every - absent


def test_hidden_width_has_a_floor():
    widths = [ODConvSpec(**GEOMETRY | {"in_channels": c}).attention_channels for c in (6, 256, 600)]
    assert widths == [16, 16, 37]
    assert ODConvSpec(**GEOMETRY, reduction=0.5, min_channels=1).attention_channels == 3


def test_unknown_models_are_answered_with_near_names():
    with pytest.raises(ValueError, match=r"unknown model 'od_resnet19': did you mean 'od_resnet1"):
        model_spec("od_resnet19")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("od_resnet18", {"kernels": 4}, r"od_resnet18 has the options .*kernel_num.*received kern"),
        ("resnet18", {"kernel_num": 4}, r"resnet18 has the options .*received kernel_num"),
        ("od_resnet18", {"kernel_num": 0}, r"kernel_num: expected a whole number >= 1"),
        ("resnet18", {"num_classes": -1}, r"num_classes: expected a whole number >= 0"),
        ("resnet18", {"in_channels": -1}, r"in_channels: expected a whole number >= 1"),
        ("resnet18", {"dropout": 1.0}, r"dropout: expected a number in .* received 1.0"),
        ("resnet18", {"stages": [(64,)]}, r"stages: expected rows of 2 numbers"),
        ("mobilenetv2_100", {"stages": 3}, r"stages: expected rows of 4 numbers, received 3"),
        ("mobilenetv2_100", {"width": 0}, r"width: expected a number in .* received 0"),
    ],
)
def test_wrong_model_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        model_spec(name, **options)


def test_options_reach_their_place():
    spec = model_spec("od_resnet50", kernel_num=3, num_classes=7, in_channels=1, dropout=0.1)
    assert dict(spec.conv.options)["kernel_num"] == 3
    assert (spec.head.out_channels, spec.stem.in_channels, spec.dropout) == (7, 1, 0.1)


@pytest.mark.parametrize("name", ["od_resnet18", "cond_mobilenetv2_050"])
def test_no_classes_are_no_head(name):
    spec, whole = model_spec(name, num_classes=0), model_spec(name)
    assert spec.head is None
    kept = tuple(p for p in whole.parameters() if not p.name.startswith(f"{spec.head_path}."))
    assert spec.parameters() == kept
    assert list(spec.maps((64, 48))) == list(whole.maps((64, 48)))[:-1]
    assert spec.name == name and from_json(to_json(spec)) == spec


def test_the_pooling_of_a_head():
    assert "global_pool" not in model_spec("resnet18").to_dict()  # as earlier versions wrote it
    spec = model_spec("resnet18", num_classes=0, global_pool="")
    assert from_json(to_json(spec)) == spec
    with pytest.raises(ValueError, match="needs num_classes=0 beside it, received 1000"):
        model_spec("resnet18", global_pool="")
    with pytest.raises(ValueError, match="global_pool: expected one of 'avg', 'max', ''"):
        model_spec("resnet18", global_pool="avgmax")


def test_a_table_of_ones_own_is_custom():
    assert ResNetSpec(stages=((8, 1),)).name == "resnet_custom"
    od = ConvChoice.of("od", kernel_num=2)
    assert MobileNetV2Spec(conv=od, stages=((1, 16, 1, 1),)).name == "od_mobilenetv2_custom"


@pytest.mark.parametrize("text", ["[]", '{"family": "vgg"}', '{"family": "resnet", "depth": 18}'])
def test_json_that_is_no_spec(text):
    with pytest.raises(ValueError, match=r"expected one of|JSON object|has the fields"):
        from_json(text)


def test_values_that_are_no_spec():
    with pytest.raises(
        ValueError, match=r"conv: expected one of 'static', 'od', 'dy', 'cond', .*received 'sk'"
    ):
        from_dict({"family": "resnet", "conv": "sk"})


@pytest.mark.parametrize(
    "values",
    [
        {"family": []},
        {"conv": {}},
        {"conv": "od", "conv_options": None},
        {"conv": "od", "conv_options": {"kind": "od"}},
        {"conv": "od", "conv_options": {"reduction": None}},
        {"conv": "od", "conv_options": {"kernel_num": "4"}},
        {"dropout": "much"},
        {"stages": [[64, 10**9]]},
        {"stages": "all"},
        {"family": "mobilenetv2", "width": float("inf")},
        {"family": "mobilenetv2", "width": 10**400},
        {"family": "mobilenetv2", "width": []},
        {"family": "mobilenetv2", "stages": [[1, 32, 10**8, 1]]},
    ],
)
def test_values_from_a_file_can_be_anything(values):
    with pytest.raises(ValueError, match="expected"):
        from_dict({"family": "resnet"} | values)


def test_deeply_nested_json():
    with pytest.raises(ValueError, match="deeply nested"):
        from_json("[" * 100_000)


def test_every_name_is_listed_once():
    assert len(list_models()) == len(set(list_models())) == 102
