"""Opens an exported file in a runtime, which is imported only then."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final, cast

from odconv.runtimes.exported import Exported
from odconv.runtimes.sidecar import path_beside
from odconv.runtimes.table import NAMES, RUNTIMES, Runtime
from weights_converter.errors import ConverterError, DamagedError, FileError, UsageError, legible

_CHECKPOINTS: Final = ("paddle", "saved_model")  # without metadata beside them, checkpoints


def open_exported(path: str | Path, runtime: str | None = None) -> Exported:
    """An exported file, ready to run.

    Args:
        path: of the file, or of the folder.
        runtime: a name of `table.py`; by default the first one that takes the file.

    Returns:
        The network, which takes images with channels first whatever the file has.

    Raises:
        UsageError: there is no such runtime, or it does not take the file.
        FileError: there is no such file.
        DamagedError: the runtime cannot read it.
        ModuleNotFoundError: the runtime is not installed; the message has what to install.

    Example:
        >>> import numpy as np
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> file = export(checkpoint, "opened.onnx", size=32).path
        >>> open_exported(file).run(np.zeros((2, 3, 32, 32), np.float32))[0].shape
        (2, 10)
    """
    path = Path(path)
    chosen = runtime_of(path, runtime)
    if not path.exists():
        raise FileError(f"cannot read {legible(str(path))}: No such file or directory")
    try:
        return cast(Exported, import_module(chosen.module).open_file(path))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{legible(path.name)} runs in {error.name}, which is not installed: "
            f"pip install 'odconv[{chosen.extra}]'",
            name=error.name,
        ) from error
    except (ConverterError, OSError, MemoryError):
        raise
    except Exception as error:  # each runtime has errors of its own
        reason = legible(" ".join(str(error).split()))
        raise DamagedError(f"{legible(path.name)}: {chosen.name} cannot open it: {reason}") from (
            error
        )


def is_exported(path: str | Path) -> bool:
    """Whether a path is that of an exported file, by its name and by what stands beside it.

    Returns:
        True of a path that `odconv export` may have written.

    Example:
        >>> is_exported("model.onnx"), is_exported("model.pdparams")
        (True, False)
    """
    path = Path(path)
    rows = [row for row in RUNTIMES if path.suffix.lower() in row.suffixes]
    checkpoint_too = any(row.name in _CHECKPOINTS for row in rows)
    return path_beside(path).is_file() if checkpoint_too else bool(rows)


def runtime_of(path: str | Path, name: str | None = None) -> Runtime:
    """The runtime that opens a file: the one of a name, or the first that takes the suffix.

    Returns:
        The row of the runtime, which can open the file.

    Raises:
        UsageError: there is none.

    Example:
        >>> runtime_of("model.onnx").name
        'onnxruntime'
    """
    suffix = Path(path).suffix.lower()
    fitting = [runtime for runtime in RUNTIMES if suffix in runtime.suffixes]
    if name is not None and name not in NAMES:
        raise UsageError(f"runtime: expected one of {', '.join(NAMES)}, received {name!r}")
    if name is not None:
        fitting = [runtime for runtime in fitting if runtime.name == name]
    if fitting:
        return fitting[0]
    known = sorted({suffix for runtime in RUNTIMES for suffix in runtime.suffixes})
    raise UsageError(
        f"expected an exported file ({' '.join(known)})"
        f"{'' if name is None else f' that {name} takes'}, received {legible(str(path))}"
    )
