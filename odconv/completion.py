"""What a shell is told when it asks how a command line may continue; argcomplete speaks to it.

Names of commands and options, and of values that have `choices`, are argcomplete's own work.
"""

from __future__ import annotations

import os
from argparse import Action
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from odconv.parser import parser_for
from odconv.printing import complain

# Endings of the files that can be read, or that hold an index of them.
_CHECKPOINTS: Final = (
    *(".pth", ".pt", ".pth.tar", ".tar", ".bin", ".ckpt"),
    *(".pdparams", ".pdiparams", ".h5", ".hdf5", ".keras", ".safetensors", ".npz"),
    *(".safetensors.index.json", ".weights.json", ".index"),
)
_EXPORTED: Final = (".onnx", ".xml", ".pt2", ".torchscript", ".tflite")
# An option's or argument's name -> endings of the files that it takes; folders alone where none.
_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("source", "left", "checkpoint"), _CHECKPOINTS),
    **dict.fromkeys(("file", "right", "destination"), (*_CHECKPOINTS, *_EXPORTED)),
    **dict.fromkeys(("data", "calibrate"), ()),
    "labels": (".txt",),
    "images": (".bmp", ".jpeg", ".jpg", ".png", ".webp"),
    "model": (".json",),
    "picture": (".png", ".pdf", ".svg"),
    **dict.fromkeys(("output", "report"), (".html",)),
}


def complete() -> int:
    """Answers the shell, and ends the process; returns an exit code where it cannot."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        complain("error: completion needs argcomplete: pip install 'odconv[completion]'")
        return 2
    words = os.environ.get("COMP_LINE", "").split()
    completer: Any = _values  # which argcomplete takes, though it asks for a class of its own
    argcomplete.autocomplete(parser_for(words[1:]), default_completer=completer)
    return 0


def _values(prefix: str, action: Action, **_: object) -> list[str]:
    """What may stand for the value of an option or argument that begins with `prefix`."""
    values = list(_files(prefix, _FILES[action.dest])) if action.dest in _FILES else []
    if action.dest == "model":
        from odconv_spec import list_models

        values += list_models()
    elif action.dest == "data":
        values.append("digits")
    elif action.dest == "runtime":
        from parity_tests.runtimes import RUNTIMES

        values += RUNTIMES
    return [value for value in values if value.startswith(prefix)]


def _files(prefix: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Folders, with a slash, and files with one of the endings, below the folder of `prefix`."""
    start = prefix[: prefix.rfind("/") + 1]  # as it was typed, such as "~/"
    try:
        entries = sorted(Path(start or ".").expanduser().iterdir())
    except (OSError, RuntimeError):  # nothing there, or nobody's home
        return
    for entry in entries:
        if entry.is_dir():
            yield f"{start}{entry.name}/"
        elif endings and entry.name.lower().endswith(endings):
            yield f"{start}{entry.name}"
