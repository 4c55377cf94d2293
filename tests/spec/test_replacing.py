"""Which convolutions are replaced, and what the report says: what no framework decides."""

from __future__ import annotations

import random

import pytest

from odconv_spec import CGConvSpec, CondConvSpec, ConvSpec, DyConvSpec, FDConvSpec, ODConvSpec
from odconv_spec.replaced import Replaced, Replacement
from odconv_spec.replacing import Owners, Place, choose, divide, replacing_spec
from odconv_spec.rules import rule


class Conv:
    pass


class Transposed(Conv):
    pass


class Norm:
    pass


def chosen(places, where=None):
    placed = [Place(path, conv, None, isinstance(conv, Transposed)) for path, conv in places]
    return [place.path for place in choose(placed, where)]


@pytest.mark.parametrize("seed", range(10))
def test_all_but_the_first_each_by_its_first_path(seed):
    draw = random.Random(seed)
    convs = [draw.choice([Conv, Transposed])() for _ in range(6)] + [Conv(), Conv()]
    places = [(str(place), conv) for place, conv in enumerate(draw.choices(convs, k=12))]
    places += [(f"again.{place}", conv) for place, conv in enumerate(convs)]
    paths, first = {}, None
    for path, conv in places:
        if conv not in paths:
            paths[conv] = path
            first = conv if first is None and type(conv) is Conv else first
    assert chosen(places) == [path for conv, path in paths.items() if conv is not first]


@pytest.mark.parametrize("conv", [Conv(), Transposed()])
def test_a_lone_convolution_is_chosen(conv):
    assert chosen([("", conv)]) == [""]


def test_where_decides_alone():
    shared, other = Conv(), Transposed()
    places = [("a", shared), ("b", other), ("c", shared)]
    assert chosen(places, lambda path, conv: conv is shared) == ["a"]
    assert chosen(places, lambda path, conv: path == "b") == ["b"]


@pytest.mark.parametrize(
    ("count", "listed"),
    [(0, "the network, which has none"), (2, "'0', '1'"), (10, "'6', '7', and 2 more")],
)
def test_nothing_is_chosen(count, listed):
    places = [(str(place), Conv()) for place in range(count)]
    with pytest.raises(ValueError, match=f"where: expected to choose .*{listed}$"):
        chosen(places, lambda path, conv: False)


def test_words_see_geometry_stage_and_place():
    spec = ConvSpec(in_channels=4, out_channels=4, kernel_size=3)
    places = [
        Place("conv1", Conv(), spec),
        Place("layer1.0.conv1", Conv(), spec),
        Place("layer2.0.up", Transposed(), None, True),
        Place("layer2.0.conv2", Conv(), spec),
    ]
    assert choose(places, "3x3") == [places[0], places[1], places[3]]
    assert choose(places, rule("3x3") & ~rule("stem")) == [places[1], places[3]]
    assert choose(places, ["not stem", "stage 2"]) == places[2:]
    with pytest.raises(ValueError, match=r"in stages 0 to 2; received 3x3 & stage 3, which choo"):
        choose(places, ["3x3", "stage 3"])


@pytest.mark.parametrize(
    ("kind", "spec", "options"),
    [
        ("od", ODConvSpec, {"norm", "attentions", "kernel_num", "head_init"}),
        ("dy", DyConvSpec, {"hidden_rule", "fc1_bias"}),
        ("cond", CondConvSpec, {"mix_bias"}),
    ],
)
def test_kinds_and_their_options(kind, spec, options):
    assert replacing_spec(kind, dict.fromkeys(options)) is spec
    for unknown in ("stride", "bias", "router"):
        with pytest.raises(ValueError, match=f"a '{kind}' .* received \\['{unknown}'\\]"):
            replacing_spec(kind, {unknown: 1})


def test_what_a_network_shares_is_no_option():
    for kind, option in (("weightnet", "router"), ("kw", "stretch")):
        with pytest.raises(ValueError, match=rf"received \['{option}'\]"):
            replacing_spec(kind, {option: None})


def conv_places(*shapes):
    """(in, out, kernel size, groups) -> a place with the path "0", "1", ..."""
    names = ("in_channels", "out_channels", "kernel_size", "groups")
    specs = [ConvSpec(**dict(zip(names, shape, strict=True))) for shape in shapes]
    return [Place(str(index), Conv(), spec) for index, spec in enumerate(specs)]


def test_widths_that_a_kind_cannot_have_are_left():
    places = conv_places((16, 32, 3, 1), (24, 32, 3, 1), (32, 32, 3, 32), (64, 20, 1, 1))
    reasons = [None, None, "frozen", None]
    replaced, left = divide(zip(places, reasons, strict=True), CGConvSpec, {})
    assert [place.path for place in replaced] == ["0", "3"]  # of one tap: without a gate
    assert [path for path, _ in left] == ["1", "2"]
    assert left[0][1].endswith("received 24; next to it: 16 and 32")
    assert left[1][1] == "frozen"


def test_numbers_of_axes_that_a_kind_cannot_have_are_left():
    line = Place("line", Conv(), ConvSpec(in_channels=4, out_channels=4, kernel_size=3, rank=1))
    places = [line, *conv_places((4, 8, 3, 1))]
    replaced, left = divide([(place, None) for place in places], FDConvSpec, {"kernel_num": 2})
    assert replaced == places[1:]
    assert left == [("line", "rank: expected 2 for FDConv, received 1")]


def test_a_transposed_convolution_is_left_to_the_framework():
    place = Place("up", Transposed(), None, True)
    assert divide([(place, "transposed")], ODConvSpec, {}) == ([], [("up", "transposed")])


def test_nothing_can_be_replaced():
    places = [(place, None) for place in conv_places(*[(24, 8 + n, 3, 1) for n in range(10)])]
    with pytest.raises(ValueError, match=r"^in_channels: expected at most 16 .* received 24;"):
        divide(places[:1], CGConvSpec, {})
    with pytest.raises(ValueError, match=r"^kernel_num: expected a whole number >= 1"):
        divide(places, ODConvSpec, {"kernel_num": 0})
    other = [
        (place, None) for place in conv_places((8, 8, 5, 1), (8, 8, 7, 1), *[(8, 8, 9, 1)] * 8)
    ]
    none = r"^FDConv can replace none of the convolutions: 0: .*\(5, 5\).*; 7: .*; and 2 more$"
    with pytest.raises(ValueError, match=none):
        divide(other, FDConvSpec, {})


@pytest.mark.parametrize("kind", ["static", "ode", ""])
def test_unknown_kinds(kind):
    with pytest.raises(ValueError, match=rf"one of \['od', 'dy', 'cond'.*received {kind!r}"):
        replacing_spec(kind, {})


def test_the_report_is_a_table():
    before = ConvSpec(in_channels=4, out_channels=6, kernel_size=(3, 2), bias=True)
    after = ODConvSpec(
        in_channels=4, out_channels=6, kernel_size=(3, 2), bias=True, kernel_num=10, min_channels=1
    )
    # Kernels, bias, and of the attention the trunk, its norm and four heads with biases.
    count = 10 * 144 + 6 + 4 + 2 + 2 * (4 + 6 + 6 + 10)
    changes = (Replacement("", before, after), Replacement("layer.with.a.path", before, before))
    lines = str(Replaced(None, changes, (("up", "it is odd"),))).splitlines()
    assert lines == [
        "replaced            parameters          now",
        f"(the model)                150 {count:>12,}",
        "layer.with.a.path          150          150",
        f"total                      300 {count + 150:>12,}",
        "left: up: it is odd",
    ]


def test_the_report_has_multiply_adds_where_sizes_are_known():
    before = ConvSpec(in_channels=2, out_channels=3, kernel_size=3)
    after = DyConvSpec(in_channels=2, out_channels=3, kernel_size=3, kernel_num=2)
    changes = (
        Replacement("a", before, after, ((5, 6), (3, 3))),  # called twice
        Replacement("b", before, before),
    )
    replaced = Replaced(None, changes, ())
    positions = 3 * 4 + 1
    static = positions * 2 * 3 * 9
    # The mean over the map, two layers of a hidden width of one, and two kernels to add up.
    dynamic = static + 2 * (30 + 9) + 2 * ((2 + 2) + 2 * 54)
    assert changes[0].multiply_adds == replaced.multiply_adds == (static, dynamic)
    assert replaced.parameters == (108, 54 + changes[0].parameters[1])
    head, *lines = str(replaced).splitlines()
    assert head == "replaced   parameters          now  multiply-adds            now"
    assert [line.split()[3:] for line in lines] == [
        [f"{static:,}", f"{dynamic:,}"],
        ["0", "0"],
        [f"{static:,}", f"{dynamic:,}"],
    ]


def test_an_array_that_another_layer_holds():
    first, second, third, norm = Conv(), Conv(), Conv(), Norm()
    kernel, bias, other = object(), object(), object()
    owners = Owners()
    for layer, array, path in (
        (first, kernel, "first.weight"),
        (first, bias, "first.bias"),
        (second, kernel, "second.weight"),
        (norm, bias, "norm.bias"),
        (third, other, "third.weight"),
        (third, other, "third.bias"),
    ):
        owners.add(layer, array, path)
    assert owners.other_than(first, [kernel]) == "second.weight"
    assert owners.other_than(first, [other, bias]) == "third.bias"
    assert owners.other_than(second, [kernel]) == "first.weight"
    assert owners.other_than(third, [other]) is None
