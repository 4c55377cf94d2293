"""Exit codes, and one line for what is the user's to mend."""

from __future__ import annotations

import pytest

from odconv_training import CorruptImageError, TrainingError, main
from weights_converter import FileError, MismatchError


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
        (CorruptImageError("a.png"), 2, "error: a.png\n"),
        (MismatchError("other arrays", "try this"), 2, "error: other arrays\nhelp: try this\n"),
        (FileError("disk full"), 5, "error: disk full\n"),
        (PermissionError(13, "Permission denied", "here"), 5, "error: here: Permission denied\n"),
        (OSError("no port"), 5, "error: no port\n"),
        (KeyboardInterrupt(), 130, "interrupted; --resume goes on from the last checkpoint\n"),
    ],
)
def test_what_is_said(error, code, line, capsys):
    assert main("torch", failing(error), []) == code
    assert capsys.readouterr() == ("", line)


def test_a_bug_is_a_traceback():
    with pytest.raises(ValueError, match="shapes"):
        main("torch", failing(ValueError("shapes do not match")), [])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--model", "resnet19"], 2), (["--lr", "-1"], 2), (["--spec", "no/such.json"], 5)],
)
def test_options_that_are_refused(arguments, code, capsys):
    assert main("torch", failing(AssertionError), arguments) == code
    assert capsys.readouterr().err.count("\n") == 1
