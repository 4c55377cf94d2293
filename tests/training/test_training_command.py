"""Exit codes, and one line for what the user can correct."""

from __future__ import annotations

import pytest

from odconv_training import CorruptImageError, TrainingError, main
from weights_converter import FileError, MismatchError

NO_MEMORY = "error: there is not enough memory\nhelp: try a smaller --batch-size"

SKIP = "help: repair it, or leave it out with --skip-corrupt\n"


def failing(error):
    def train(options):
        raise error

    return train


def test_a_training_gets_its_options(capsys):
    seen = []
    assert main("torch", seen.append, ["--seed", "3"]) == 0
    assert [options.seed for options in seen] == [3]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TrainingError("expected a, received b"), 2, "error: expected a, received b\n"),
        (CorruptImageError("a.png"), 2, f"error: a.png\n{SKIP}"),
        (MismatchError("other arrays", "try this"), 2, "error: other arrays\nhelp: try this\n"),
        (FileError("disk full"), 5, "error: disk full\n"),
        (PermissionError(13, "Permission denied", "here"), 5, "error: here: Permission denied\n"),
        (OSError("no port"), 5, "error: no port\n"),
        (MemoryError(), 5, f"{NO_MEMORY}\n"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 5, f"{NO_MEMORY}\n"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 bytes"), 5, f"{NO_MEMORY}\n"),
        (KeyboardInterrupt(), 130, "interrupted; --resume continues from the last checkpoint\n"),
    ],
)
def test_what_is_said(error, code, line, capsys):
    assert main("torch", failing(error), []) == code
    assert capsys.readouterr() == ("", line)


def test_a_bug_is_told_apart_from_wrong_usage(capsys):
    error = ValueError("shapes\ndo not match")
    told = "error: a bug in odconv, ValueError: shapes do not match"
    assert main("torch", failing(error), []) == 70
    assert capsys.readouterr().err == f"{told} (--traceback shows where; please report it)\n"
    assert main("torch", failing(error), ["--traceback"]) == 70
    message = capsys.readouterr().err
    assert message.startswith("Traceback (most recent call last):\n")
    assert ", in train\n" in message
    assert message.endswith(f"{told} (please report it)\n")


def test_a_bug_in_reading_the_options(monkeypatch, capsys):
    def model_spec(name):
        raise KeyError(name)

    monkeypatch.setattr("odconv_training.arguments.model_spec", model_spec)
    assert main("torch", failing(AssertionError), ["--model", "od_resnet18"]) == 70
    assert "a bug in odconv, KeyError: 'od_resnet18'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--model", "resnet19"], 2),
        (["--model", "od_resnet18", "--option", "kernel_size=3"], 2),
        (["--model", "od_resnet18", "--option", "kernel_num=none"], 2),
        (["--lr", "-1"], 2),
        (["--spec", "no/such.json"], 5),
    ],
)
def test_options_that_are_refused(arguments, code, capsys):
    assert main("torch", failing(AssertionError), arguments) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_is_resumed_or_replaced(capsys):
    with pytest.raises(SystemExit) as caught:
        main("torch", failing(AssertionError), ["--resume", "--overwrite"])
    assert caught.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
