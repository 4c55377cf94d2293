"""Specs make themselves from names and shapes: the way back from `parameters()`."""

from __future__ import annotations

from random import Random

import pytest

from odconv_spec import (
    CondConvSpec,
    DyConvSpec,
    FDConvSpec,
    KWConvSpec,
    ODConvSpec,
    list_models,
    model_spec,
)
from odconv_spec.choice import shown_kind
from odconv_spec.evidence import UnexplainedError, least_ratio
from odconv_spec.od_conv import ATTENTIONS


def shapes_of(spec):
    return {parameter.name: parameter.shape for parameter in spec.parameters()}


@pytest.mark.parametrize("name", list_models())
def test_networks(name):
    for classes in (11, 0):
        spec = model_spec(name, num_classes=classes, in_channels=2)
        assert type(spec).from_arrays(shapes_of(spec)) == spec


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dy_resnet18", {"reduction": 0.125, "hidden_rule": "plus_one"}),
        ("dy_mobilenetv2_050", {"hidden_channels": 7}),
        ("od_resnet18", {"attentions": ("spatial", "kernel"), "kernel_num": 2}),
        ("od_resnet50", {"attention_sharing": False, "kernel_num": 3, "norm": "layer"}),
        ("od_mobilenetv2_050", {"reduction": 0.25, "min_channels": 4}),
        ("cond_resnet18", {"stages": ((8, 2), (24, 1)), "stem_channels": 12}),
    ],
)
def test_options_of_networks(name, options):
    spec = model_spec(name, **options)
    assert type(spec).from_arrays(shapes_of(spec)) == spec


def od(draw):
    attentions = [name for name in ATTENTIONS if draw.random() < 0.7]
    options = {
        "reduction": draw.choice((0.0625, 0.25, 0.3, 1.0)),
        "min_channels": draw.randint(1, 20),
        "attentions": attentions,
        "attention_sharing": draw.random() < 0.5,
        "norm": draw.choice(("batch", "layer", "none")),
        "kernel_num": draw.randint(1, 4) if "kernel" in attentions else 1,
    }
    return ODConvSpec, options


def dy(draw):
    options = {
        "kernel_num": draw.randint(1, 5),
        "reduction": draw.choice((0.25, 0.3, 0.5)),
        "hidden_rule": draw.choice(("paper", "plus_one")),
        "hidden_channels": draw.choice((None, None, 3, 30)),
        "fc1_bias": draw.random() < 0.5,
        "fc2_bias": draw.random() < 0.5,
    }
    return DyConvSpec, options


def cond(draw):
    return CondConvSpec, {"kernel_num": draw.randint(1, 8), "mix_bias": draw.random() < 0.5}


@pytest.mark.parametrize(
    ("kind", "width", "reduction"), [(FDConvSpec, 44, 0.69), (KWConvSpec, 39, 0.8)]
)
def test_a_hidden_width_whose_ratio_is_rounded_down(kind, width, reduction):
    """width * (hidden / width) is just below a whole number, which int() takes one from."""
    spec = kind(in_channels=width, out_channels=44, kernel_size=3, reduction=reduction)
    assert shapes_of(kind.from_arrays(shapes_of(spec))) == shapes_of(spec)


def test_the_least_ratio_of_a_width():
    pairs = [(width, hidden) for width in range(1, 300) for hidden in range(1, width + 1)]
    assert all(int(width * least_ratio(width, hidden)) == hidden for width, hidden in pairs)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", [od, dy, cond], ids=lambda kind: kind.__name__)
def test_random_layers(kind, seed):
    """What leaves no trace, such as a stride, may be other; the arrays may not."""
    draw = Random(f"{kind.__name__} {seed}")
    spec_class, options = kind(draw)
    groups, rank = draw.choice((1, 1, 2, 3)), draw.randint(1, 3)
    spec = spec_class(
        in_channels=groups * draw.randint(1, 9),
        out_channels=groups * draw.randint(1, 9),
        kernel_size=tuple(draw.randint(1, 4) for _ in range(rank)),
        groups=groups,
        bias=draw.random() < 0.5,
        rank=rank,
        **options,
    )
    shapes = shapes_of(spec)
    if isinstance(spec, ODConvSpec) and not spec.heads():
        assert shown_kind(shapes) is None  # a bank of one kernel, which nothing scales
        return
    assert shown_kind(shapes) is spec_class
    assert spec_class.from_arrays(shapes).parameters() == spec.parameters()


@pytest.mark.parametrize("name", ["resnet18", "od_resnet50", "cond_mobilenetv2_050"])
def test_arrays_that_nothing_explains_have_a_reason(name):
    spec = model_spec(name)
    shapes = shapes_of(spec)
    head = f"{spec.head_path}.weight"
    with pytest.raises(UnexplainedError, match=rf"^{head}: expected an array with at least"):
        type(spec).from_arrays({key: shape for key, shape in shapes.items() if key != head})
    with pytest.raises(UnexplainedError, match="has 3 classes") as error:
        type(spec).from_arrays(shapes | {head: (3,) * len(shapes[head])})
    assert error.value.help is None or "transposed" in error.value.help
