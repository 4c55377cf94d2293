"""The outputs of a network and the classes of the data: told, counted, and matched by name."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import model_spec, to_json
from odconv_training import Samples, Source, TrainingError, fitted, labelled, open_source, parse
from tests.training.folders import CLASSES, write_folder

THREE = model_spec("resnet18", num_classes=3)


@pytest.fixture
def photos(tmp_path):
    return str(write_folder(tmp_path / "photos"))


def chosen(photos, *arguments):
    return fitted(parse([*arguments, "--data", photos], "torch"), open_source(photos))


def test_the_folder_says_how_many(photos):
    found = chosen(photos, "--model", "resnet18")
    assert (found.spec, found.class_names) == (THREE, CLASSES)


def test_what_was_told_may_be_the_same(photos, tmp_path):
    assert chosen(photos, "--model", "resnet18", "--option", "num_classes=3").spec == THREE
    (tmp_path / "net.json").write_text(to_json(THREE))
    assert chosen(photos, "--spec", str(tmp_path / "net.json")).spec == THREE


@pytest.mark.parametrize("count", [2, 5])
def test_a_contradiction_names_both(photos, tmp_path, count):
    (tmp_path / "net.json").write_text(to_json(model_spec("resnet18", num_classes=count)))
    for told in (
        ("--spec", str(tmp_path / "net.json")),
        ("--model", "resnet18", "--option", f"num_classes={count}"),
    ):
        with pytest.raises(TrainingError) as caught:
            chosen(photos, *told)
        message = str(caught.value)
        assert f"3 outputs, one for each class in {photos} (ant, bee, cat)" in message
        assert f"told to have {count}" in message


def test_the_digits_are_ten():
    found = fitted(parse(["--model", "dy_resnet18"], "torch"), open_source("digits"))
    assert found.spec == model_spec("dy_resnet18", num_classes=10)
    assert found.class_names == tuple("0123456789")


def data(*classes):
    labels = np.arange(len(classes))
    return Source(classes, Samples(labels), Samples(labels[::-1].copy()))


def test_labels_are_those_of_the_network():
    found = labelled(data("cat", "ant"), "resnet18", 3, CLASSES)
    assert found.classes == CLASSES
    assert found.train.labels.tolist() == [2, 0]
    assert found.validation.labels.tolist() == [0, 2]


def test_without_names_the_order_counts():
    assert labelled(data("cow", "dog"), "resnet18", 3, ()).validation.labels.tolist() == [1, 0]
    with pytest.raises(TrainingError, match=r"at least 4 outputs.*resnet18 with 3"):
        labelled(data(*"abcd"), "resnet18", 3, ())


def test_a_class_that_the_network_does_not_know():
    with pytest.raises(TrainingError, match=r"\(ant, bee, cat\), received 1 others: cow"):
        labelled(data("ant", "cow"), "resnet18", 3, CLASSES)
