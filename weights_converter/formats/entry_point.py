"""Which file to read where a user names a checkpoint as its framework does, and not a file."""

from __future__ import annotations

import re
from pathlib import Path

from weights_converter.errors import (
    ConverterError,
    FileError,
    RefusedError,
    UsageError,
    legible,
)

HUB_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # of a hub folder
_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_INSIDE = (
    "variables/variables.index",  # of a SavedModel
    "variables.index",
    "model.weights.h5",  # of a Keras model that is not zipped
    *HUB_WEIGHTS,
)
_MOST_SHOWN = 8
# Of folders into which the processes of a training have saved a part each.
_INDEX = ".metadata"  # the whole name in torch's, the end of it in Paddle's
_PARTS = ".distcp"
_DEEPSPEED = "zero_to_fp32.py"


def entry_point(path: Path) -> Path:
    """The file that `path` means: itself, or the index of a checkpoint of several files.

    Raises:
        UsageError: the folder has several checkpoints of TensorFlow.
        RefusedError: it is a checkpoint that processes have written in parts.
    """
    try:
        _refuse_distributed(path)
        if path.is_dir():
            return _inside(path)
        data = _DATA.fullmatch(path.name)
        index = path.with_name(f"{data[1] if data else path.name}.index")
        return index if (data or not path.exists()) and index.is_file() else path
    except ConverterError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL, or no name
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot read {legible(str(path))}: {reason}") from error


def _inside(folder: Path) -> Path:
    for name in _INSIDE:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.index"))
    if len(found) > 1:
        shown = ", ".join(legible(path.name) for path in found[:_MOST_SHOWN])
        raise UsageError(f"{legible(str(folder))} holds several checkpoints", f"name one: {shown}")
    return found[0] if found else folder


def _refuse_distributed(path: Path) -> None:
    """Raises RefusedError where the path is a distributed checkpoint's folder, or a file in it.

    The framework that wrote the parts puts them together; the advice says how.
    """
    folder = path if path.is_dir() else path.parent
    if path != folder and path.suffix != _PARTS and path.name != _INDEX:
        return
    name = legible(path.name)
    if (folder / _INDEX).is_file():
        shown = legible(str(folder))
        raise RefusedError(
            f"{name} is a distributed checkpoint of PyTorch",
            help="make one file of it: python -m torch.distributed.checkpoint.format_utils "
            f"dcp_to_torch {shown} whole.pth",
        )
    if path == folder and any(folder.glob(f"*{_INDEX}")) and any(folder.glob(f"*{_PARTS}")):
        raise RefusedError(
            f"{name} is a distributed checkpoint of Paddle",
            help="load it with paddle.distributed.load_state_dict, then paddle.save the state dict",
        )
    if path == folder and (folder / _DEEPSPEED).is_file():
        raise RefusedError(
            f"{name} is a checkpoint of DeepSpeed, in parts",
            help=f"make one file of it: python {_DEEPSPEED} . whole, in that folder",
        )
