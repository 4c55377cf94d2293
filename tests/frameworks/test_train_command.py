"""The command of a training and what it says to wrong input."""

from __future__ import annotations

import numpy as np
import pytest
from train_helpers import (
    FRAMEWORK,
    NO_DEVICE,
    build_model,
    course,
    logits,
    options,
    outputs,
    run,
    saved,
    source,
    spec_file,
    train,
)

from odconv_training import BEST, LAST, in_order, main
from tests.trainings import rows
from weights_converter import convert, extract, load_into
from weights_converter.identify.request import Request

# Keras compiles each training.
compiles = pytest.mark.slow if FRAMEWORK == "keras" else lambda test: test


def test_wrong_data_is_one_line(tmp_path, folder, capsys):
    def said(*arguments):
        plain = ["--output", tmp_path / "run", *arguments]
        assert main(FRAMEWORK, train, list(map(str, plain))) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") <= 2
        return message

    three = ("--spec", spec_file(tmp_path, num_classes=3))
    (empty := tmp_path / "empty").mkdir()
    assert "received none" in said("--data", empty, *three)
    assert "val" in said("--data", folder / "train", *three)
    assert "nowhere" in said("--data", tmp_path / "nowhere", *three)
    two = ("--spec", spec_file(empty, num_classes=2))
    assert "told to have 2" in said("--data", folder, *two)
    assert NO_DEVICE in said("--device", NO_DEVICE)
    assert "nonsense" in said("--device", "nonsense")
    assert "received neither" in said("--evaluate", "--spec", spec_file(tmp_path))


@compiles
def test_a_run_is_not_replaced_unasked(tmp_path, capsys, monkeypatch):
    output = tmp_path / "run"
    common = [*map(str, ("--spec", spec_file(tmp_path), "--output", output, "--quiet"))]
    common += ["--steps", "5", "--batch-size", "8"]
    monkeypatch.setattr("odconv_training.course.open_source", lambda *arguments: source())
    assert main(FRAMEWORK, train, common) == 0
    best = output / BEST[FRAMEWORK]
    assert best.exists()
    left = {path: path.read_bytes() for path in output.iterdir() if path.is_file()}
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr("odconv_training.course.open_source", None)  # nothing is loaded before
        assert main(FRAMEWORK, train, common) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {output} holds a run already: give --resume ")
    assert "--overwrite" in message
    assert message.count("\n") == 1
    assert {path: path.read_bytes() for path in left} == left
    assert main(FRAMEWORK, train, [*common, "--evaluate"]) == 0
    assert main(FRAMEWORK, train, [*common, "--resume"]) == 0
    assert rows(output / "train.csv")["step"] == [0, 1, 2, 3, 4]
    assert main(FRAMEWORK, train, [*common, "--overwrite", "--steps", "1"]) == 0
    assert rows(output / "train.csv")["step"] == [0]
    assert not best.exists()  # it was the other run's


def test_start_from_another_frameworks_file(tmp_path):
    (tmp_path / "a").mkdir()
    first = saved(options(tmp_path / "a", steps=4))
    there = tmp_path / f"a{'.pth' if FRAMEWORK == 'paddle' else '.pdparams'}"
    convert(Request(tmp_path / "a" / LAST[FRAMEWORK], first.options.spec), there)
    second = course(options(tmp_path / "b", start=there))
    assert second.progress.step == 0
    found = extract(second.trainer.model)
    for name, array in extract(first.trainer.model).items():
        np.testing.assert_array_equal(found[name], array)


@compiles
def test_evaluation_of_the_last_checkpoint(tmp_path, capsys):
    training = run(options(tmp_path))
    course(options(tmp_path, evaluate=True)).evaluate()
    text = capsys.readouterr().out.splitlines()[-1]
    expected = rows(tmp_path / "validation.csv")
    assert text.startswith(f"top-1 {expected['top1'][-1]:.2f} %")
    assert f"loss {expected['loss'][-1]:.4f}, 11 images" in text
    assert training.top1 == expected["top1"][-1]


def test_logits_for_the_evaluate_command(tmp_path):
    training = saved(options(tmp_path, steps=2))
    model = build_model(training.options.spec)
    load_into(model, tmp_path / LAST[FRAMEWORK])
    samples = source().validation
    found = list(logits(model, samples, in_order(np.arange(11), 4)))
    assert [len(labels) for _, labels in found] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([part for _, part in found]), samples.labels)
    expected = outputs(model, samples.images)
    np.testing.assert_allclose(
        np.concatenate([part for part, _ in found]), expected, rtol=1e-4, atol=1e-5
    )
