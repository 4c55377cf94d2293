"""Static convolutions replaced by dynamic ones.

A suite imports the tests and gives the fixture `kit`, the file of that name beside it, whose
`network()` has convolutions at the paths 0, 3.0 and 3.2, the last with a group for each channel,
and a transposed one at 4. What is chosen is tested in tests/spec/test_replacing.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ConvSpec, multiply_adds
from parity_tests.reference import evaluate, random_arrays
from weights_converter import extract

KINDS = ("od", "dy", "cond")
X = np.random.default_rng(0).standard_normal((3, 3, 15, 17))
FIRST = ConvSpec(in_channels=4, out_channels=6, kernel_size=(3, 2), stride=2, bias=True)
TABLE = """\
replaced   parameters          now
3.0               150          308
3.2                60          130
total             210          438
left: 4: """


def paths(replaced):
    """Of the changes and of the convolutions that are left."""
    return [change.path for change in replaced.changes], [path for path, _ in replaced.skipped]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_the_function_is_kept(kit, kind):
    static = kit.network()
    expected = kit.run(static, X)
    replaced = kit.package.replace_convs(static, kind, kernel_num=3)
    assert paths(replaced) == (["3.0", "3.2"], ["4"])
    close(kit.run(replaced.model, X), expected)
    for path in ("3.0", "3.2"):
        layer = kit.at(replaced.model, path)
        assert layer.spec.kind == kind
        kernels = extract(layer)["weight"]
        assert np.ptp(kernels, 0).max() > 1e-3  # alike ones would stay alike in training
        assert layer.spec.kernel_num == len(kernels) == 3


@pytest.mark.parametrize("kind", ["cgc", "weightnet", "we", "dcd", "kw"])
def test_what_a_kind_cannot_have_is_left(kit, kind):
    static = kit.network()
    expected = kit.run(static, X)
    replaced = kit.package.replace_convs(static, kind)
    left = ["3.2", "4"] if kind == "cgc" else ["4"]
    assert paths(replaced) == ([path for path in ("3.0", "3.2") if path not in left], left)
    assert kind != "cgc" or replaced.skipped[0][1].startswith("groups: expected 1, ")
    close(kit.run(replaced.model, X), expected)


def test_a_kind_that_can_replace_nothing_changes_nothing(kit):
    static = kit.network()
    none = "FDConv can replace none of the convolutions: 3.0: kernel_size: .*; 3.2: groups: "
    with pytest.raises(ValueError, match=none):
        kit.package.replace_convs(static, "fdconv")
    assert kit.dynamic(static) == []


def test_the_report(kit):
    replaced = kit.package.replace_convs(kit.network(), "dy", kernel_num=2)
    assert replaced.changes[0].before == FIRST
    assert replaced.changes[0].after == kit.at(replaced.model, "3.0").spec
    assert replaced.changes[1].before.groups == 6
    assert str(replaced).startswith(TABLE)
    assert "Transpose" in replaced.skipped[0][1]


def test_where_sees_each_path_and_convolution(kit):
    seen, static = [], kit.network()

    def where(path, conv):
        seen.append((path, conv is kit.at(static, path)))
        return path == "3.2"

    replaced = kit.package.replace_convs(static, "od", where, norm="layer", kernel_num=2)
    assert seen == [(path, True) for path in ("0", "3.0", "3.2", "4")]
    assert paths(replaced) == (["3.2"], [])
    assert (replaced.changes[0].after.norm, replaced.changes[0].after.kernel_num) == ("layer", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_kernels_learn(kit, kind):
    wide = {"hidden_channels": 8} if kind == "dy" else {}  # a single ReLU may be dead
    static = kit.network()
    kernel = extract(kit.at(static, "3.0"))["weight"]
    options = {"keep_function": False, "kernel_num": 2, "head_init": "published"}
    model = kit.package.replace_convs(static, kind, **options, **wide).model
    layer = kit.at(model, "3.0")
    assert layer.spec.head_init == "published"
    mixture = extract(layer)["weight"].mean(0) * layer.spec.start_gain
    assert np.abs(mixture - kernel).max() > 1e-2
    assert kit.idle(model, X) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_convolution(kit, kind):
    arrays = random_arrays(FIRST.parameters(), 1)
    replaced = kit.package.replace_convs(kit.build(FIRST, arrays), kind)
    assert (replaced.changes[0].path, replaced.changes[0].before) == ("", FIRST)
    assert "(the model)" in str(replaced)
    x = X[:, [0, 1, 2, 0]]
    close(kit.run(replaced.model, x), evaluate(FIRST, arrays, x).output)


def test_dynamic_convolutions_are_left_alone(kit):
    model = kit.package.replace_convs(kit.network(), "od").model
    again = kit.package.replace_convs(model, "dy", lambda path, conv: True)
    assert paths(again) == (["0"], ["4"])
    assert [layer.spec.kind for layer in kit.dynamic(again.model)] == ["dy", "od", "od"]


def test_a_frozen_convolution_is_left(kit):
    static = kit.network()
    kit.freeze(kit.at(static, "3.2"))
    replaced = kit.package.replace_convs(static, "dy")
    assert paths(replaced) == (["3.0"], ["3.2", "4"])
    assert "frozen=True" in replaced.skipped[0][1]
    assert kit.trains(kit.at(replaced.model, "3.0"))


def test_a_frozen_convolution_is_replaced_when_asked(kit):
    static = kit.network()
    kit.freeze(kit.at(static, "3.2"))
    expected = kit.run(static, X)
    replaced = kit.package.replace_convs(static, "od", frozen=True)
    assert paths(replaced) == (["3.0", "3.2"], ["4"])
    assert kit.trains(kit.at(replaced.model, "3.0"))
    assert not kit.trains(kit.at(replaced.model, "3.2"))
    close(kit.run(replaced.model, X), expected)


def test_a_frozen_first_convolution_is_the_first(kit):
    static = kit.network()
    kit.freeze(kit.at(static, "0"))
    assert paths(kit.package.replace_convs(static, "dy")) == (["3.0", "3.2"], ["4"])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (["ode"], {}, r"kind: expected one of \['od', 'dy', 'cond'.*\], received 'ode'"),
        (["dy"], {"stride": 2}, r"'dy' convolution has the options .* received \['stride'\]"),
        (["od"], {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        (["od"], {"head_init": "published"}, "head_init: expected 'zero'"),
        (["od", lambda path, conv: False], {}, "where: expected to .* of '0', '3.0', '3.2', '4'"),
    ],
)
def test_wrong_arguments_change_nothing(kit, arguments, options, message):
    static = kit.network()
    with pytest.raises(ValueError, match=message):
        kit.package.replace_convs(static, *arguments, **options)
    assert kit.dynamic(static) == []


def test_words_choose(kit):
    replaced = kit.package.replace_convs(kit.network(), "dy", "all but the stem and depthwise")
    assert paths(replaced) == (["3.0"], ["4"])
    found = kit.package.replace_convs(kit.network(), "od", ["3x2", "not depthwise"], dry_run=True)
    assert paths(found) == (["3.0"], [])
    with pytest.raises(ValueError, match=r"where: expected 'all', .* received 'depht'"):
        kit.package.replace_convs(kit.network(), "od", "depht")


def test_a_dry_run_tells_the_cost_and_changes_nothing(kit):
    static = kit.network()
    expected = kit.run(static, X)
    found = kit.package.replace_convs(
        static, "dy", kernel_num=2, dry_run=True, image_size=X.shape[2:]
    )
    assert found.model is static
    assert kit.dynamic(static) == []
    np.testing.assert_array_equal(kit.run(static, X), expected)
    done = kit.package.replace_convs(static, "dy", kernel_num=2)
    assert [c._replace(sizes=()) for c in found.changes] == list(done.changes)
    assert found.skipped == done.skipped
    assert [change.sizes for change in found.changes] == [((13, 15),), ((6, 7),)]
    assert found.multiply_adds[0] == sum(
        multiply_adds(change.before, *change.sizes) for change in found.changes
    )


@pytest.mark.parametrize("size", [0, (8,), (8, 8, 8), "8"])
def test_a_wrong_size_changes_nothing(kit, size):
    static = kit.network()
    with pytest.raises(ValueError, match="image_size: expected a whole number"):
        kit.package.replace_convs(static, "dy", image_size=size)
    assert kit.dynamic(static) == []
