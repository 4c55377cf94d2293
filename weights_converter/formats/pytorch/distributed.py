"""Folders into which the processes of a training have saved a part each.

What is in them is put together by the framework that wrote them. This says how.
"""

from __future__ import annotations

from pathlib import Path

from weights_converter.errors import RefusedError, legible

_INDEX = ".metadata"  # the whole name in torch's, the end of it in Paddle's
_PARTS = ".distcp"
_DEEPSPEED = "zero_to_fp32.py"


def refuse_distributed(path: Path) -> None:
    """Raises RefusedError where the path is a distributed checkpoint's folder, or a file in it."""
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
