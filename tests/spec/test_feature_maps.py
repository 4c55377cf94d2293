"""Which maps `out_indices` means: timm's rule."""

from __future__ import annotations

import random

import pytest

from odconv_spec import FeatureInfo, model_spec
from odconv_spec.feature_maps import feature_indices


def maps(count):
    return tuple(FeatureInfo(f"stage{place}", 8, 2**place) for place in range(1, count + 1))


@pytest.mark.parametrize("seed", range(20))
def test_places_from_either_end_in_any_order(seed):
    draw = random.Random(seed)
    infos = maps(draw.randint(1, 7))
    places = draw.choices(range(len(infos)), k=draw.randint(1, 9))
    asked = [place - draw.choice([0, len(infos)]) for place in places]
    expected = tuple(place for place in range(len(infos)) if place in places)
    assert feature_indices(infos, asked) == expected
    assert feature_indices(infos, tuple(asked), first=1) == expected


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_number_means_the_last_maps(number):
    assert feature_indices(maps(5), number) == (0, 1, 2, 3, 4)[5 - number :]


def test_none_means_all_from_the_first():
    assert feature_indices(maps(3)) == (0, 1, 2)
    assert feature_indices(maps(3), first=1) == (1, 2)


def test_further_maps_are_asked_for_by_their_places_alone():
    infos, further = maps(3), maps(5)[3:]
    for asked, places in ((None, (1, 2)), (2, (1, 2)), ((-1,), (2,)), ((3, -3, 4), (0, 3, 4))):
        assert feature_indices(infos, asked, first=1, further=further) == places
    with pytest.raises(ValueError, match=r"1 to 3, .*4 \(stage5\), or from -3 to -1; received 4"):
        feature_indices(infos, 4, further=further)
    with pytest.raises(ValueError, match=r"received \(5,\)"):
        feature_indices(infos, (5,), further=further)


def test_the_map_behind_the_stages_of_mobilenetv2():
    spec = model_spec("od_mobilenetv2_100")
    assert spec.further_maps() == (FeatureInfo("features.18", 1280, 32),)
    assert [info.channels for info in spec.feature_info()] == [16, 24, 32, 96, 320]
    assert model_spec("od_resnet50").further_maps() == ()


@pytest.mark.parametrize("wrong", [0, 3, -1, True, 1.0, None, "1", (), (2,), (-3,), (0, "1")])
def test_maps_that_do_not_exist(wrong):
    with pytest.raises(ValueError, match=r"1 to 2, or some of 0 \(stage1\), 1 \(stage2\)") as error:
        feature_indices(maps(2), wrong, first=2)
    assert str(error.value).endswith(f"or from -2 to -1; received {wrong!r}")
