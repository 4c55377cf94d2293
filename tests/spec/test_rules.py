"""Rules in words, and the stages that names of well-known networks tell."""

from __future__ import annotations

import pytest

from odconv_spec import ConvSpec, model_spec
from odconv_spec.rules import Candidate, rule
from odconv_spec.stages import stages


def conv(kernel=3, stride=1, groups=1, channels=(8, 16)):
    return ConvSpec(
        in_channels=channels[0],
        out_channels=channels[1],
        kernel_size=kernel,
        stride=stride,
        groups=groups,
        padding="same",
    )


PLAIN, POINT, TALL = conv(), conv(1), conv((3, 1))
DEPTHWISE, GROUPED = conv(groups=8), conv(groups=2)
STRIDED, WIDE = conv(stride=(1, 2)), conv(channels=(64, 128))
SPECS = {
    "plain": PLAIN,
    "point": POINT,
    "tall": TALL,
    "depthwise": DEPTHWISE,
    "grouped": GROUPED,
    "strided": STRIDED,
    "wide": WIDE,
    "transposed": None,
}
TRIES = {
    name: Candidate(f"net.{name}", spec, stage) for stage, (name, spec) in enumerate(SPECS.items())
}


def chosen(where):
    return [name for name, candidate in TRIES.items() if rule(where).chooses(candidate)]


def without(*names):
    return [name for name in SPECS if name not in names]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("all", without()),
        ("3x3", without("point", "tall", "transposed")),
        ("3x1", ["tall"]),
        ("3", []),
        ("1x1", ["point"]),
        ("pointwise", ["point"]),
        ("spatial", without("point", "transposed")),
        ("depthwise", ["depthwise"]),
        ("not depthwise", without("depthwise")),
        ("grouped", ["depthwise", "grouped"]),
        ("strided", ["strided"]),
        ("channels >= 64", ["wide"]),
        ("channels >= 65", []),
        ("stage 2", ["tall"]),
        ("stages 2-3", ["tall", "depthwise"]),
        ("the stages 2 to 3", ["tall", "depthwise"]),
        ("name net.*d", ["grouped", "strided", "transposed"]),
        ("all but grouped, strided and name *.t*", ["plain", "point", "wide"]),
        ("not all but grouped", ["depthwise", "grouped"]),
        (["3x3", "not grouped"], ["plain", "strided", "wide"]),
        (rule("depthwise") | rule("1x1"), ["point", "depthwise"]),
        (~(rule("3x3") & rule("grouped")), without("depthwise", "grouped")),
    ],
)
def test_words(where, expected):
    assert chosen(where) == expected


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (rule("3x3") & ~rule("grouped"), "3x3 & ~grouped"),
        (~(rule("3x3") & rule("grouped")), "~(3x3 & grouped)"),
        (rule("3x3") & (rule("stem") | rule("all")), "3x3 & (stem | all)"),
        (rule("not the  stem"), "~stem"),
    ],
)
def test_a_rule_shows_itself(where, text):
    assert repr(where) == text


@pytest.mark.parametrize("where", ["dephtwise", "", "3 x 3", "not", "stages 3", "all but", "name"])
def test_unknown_words(where):
    with pytest.raises(
        ValueError, match=r"expected 'all', '3x3', .*'name PATTERN', 'not' before .*"
    ):
        rule(where)


@pytest.mark.parametrize(("where", "message"), [([], "an empty list"), (3, "received 3")])
def test_no_words(where, message):
    with pytest.raises(ValueError, match=f"where: expected .*{message}"):
        rule(where)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("features.4.block.1.fc1", "squeeze-excite"),  # EfficientNet of torchvision
        ("blocks.0.mid_se.fc2", "squeeze-excite"),  # MobileNetV3 of Paddle
        ("blocks.1.0.se.conv_reduce", "squeeze-excite"),  # timm
        ("layer1.0.se.fc1", "squeeze-excite"),  # timm
        ("block1a_se_reduce", "squeeze-excite"),  # EfficientNet of keras.applications
        ("expanded_conv_squeeze_excite_conv", "squeeze-excite"),  # MobileNetV3 of them
        ("features.4.block.1.fc10", None),
        ("stages.0.blocks.0.mlp.fc1", None),  # ConvNeXt of timm
        ("base.conv1", None),
        ("layer2.0.downsample.0", "shortcut"),
        ("conv3_block1_0_conv", "shortcut"),
        ("conv3_block1_1_conv", None),
        ("stem.0", "stem"),
        ("stem_conv", "stem"),
        ("system.0", None),
    ],
)
def test_names_of_libraries(path, kind):
    found = [
        word
        for word in ("squeeze-excite", "shortcut", "stem")
        if rule(word).chooses(Candidate(path, POINT))
    ]
    assert found == ([kind] if kind else [])


def test_the_first_is_the_stem_and_several_taps_are_no_squeeze_excite():
    assert rule("stem").chooses(Candidate("conv1", PLAIN, first=True))
    assert not rule("squeeze-excite").chooses(Candidate("a.se.fc1", PLAIN))
    assert not rule("squeeze-excite").chooses(Candidate("a.se.fc1", None))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["conv1", "layer1.0.conv1", "layer4.0.downsample.0", "head"], [0, 1, 4, 4]),
        (["conv1_conv", "conv2_block1_0_conv", "conv5_block3_3_conv"], [0, 1, 4]),
        (["stem.0", "stages.0.blocks.0.conv_dw", "stages.3.downsample.1"], [0, 1, 4]),
        (["convnext_tiny_stem_conv", "convnext_tiny_stage_0_block_0_pointwise"], [0, 1]),
        (["stem.conv", "s1.b1.conv1.conv", "s4.b2.conv3.conv"], [0, 1, 4]),
        (["stem.0", "trunk_output.block1.block1-0.f.a.0", "trunk_output.block4.x.1"], [0, 1, 4]),
        (["stem_conv", "block1a_dwconv", "block7d_project_conv", "top_conv"], [0, 1, 7, 7]),
        (["features.conv0", "features.denseblock1.denselayer1.conv1"], [0, 1]),
    ],
)
def test_names_that_say_their_stage(paths, expected):
    assert stages([(path, PLAIN) for path in paths]) == expected


def test_a_block_that_shrinks_the_map_begins_a_stage():
    half = conv(stride=2)
    convs = [
        ("0", half),
        ("1.conv1", PLAIN),
        ("2.conv1", PLAIN),
        ("2.conv2", half),
        ("2.shortcut", half),
        ("2.up", None),
        ("3", half),
    ]
    assert stages(convs) == [0, 0, 1, 1, 1, 1, 2]
    assert stages([]) == []


def test_a_stage_of_a_mobilenet_leads_to_its_map():
    spec = model_spec("mobilenetv2_050")
    convs = [("features.0.0", spec.stem.conv)]
    for index, block in enumerate(spec.blocks(), start=1):
        layers = (*block.activated, block.project)
        convs += [(f"features.{index}.conv.{place}", layer) for place, layer in enumerate(layers)]
    convs.append((f"features.{index + 1}.0", spec.last.conv))
    *found, of_last = stages(convs)
    assert of_last == found[-1]
    last = {stage: path for (path, _), stage in zip(convs, found, strict=False)}
    for stage, info in enumerate(spec.feature_info()):
        assert last[stage].startswith(f"{info.name}."), info
