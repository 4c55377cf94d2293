"""The compiled library: where it is, how it is built, and loading it."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from odconv_torch.layers.forms.native import is_loaded

_SOURCE = Path(__file__).with_name("dynamic_conv.cpp")  # which includes the headers beside it
_NAME = "odconv_native"


def load() -> None:
    """Loads the library into this process, once.

    Raises:
        RuntimeError: nobody has built it for this processor and this torch.

    Example:
        >>> from odconv_torch import native
        >>> if native.path().exists():
        ...     native.load()
        >>> native.is_loaded() == native.path().exists()
        True
    """
    if is_loaded():
        return
    if not path().exists():
        raise RuntimeError(
            f"native operations: expected the library {path()}, found none; build it for this "
            "processor and this torch with python -m odconv_torch.native build"
        )
    torch.ops.load_library(path())


def path() -> Path:
    """Where the library of this processor, this torch and these flags is, or will be.

    Below TORCH_EXTENSIONS_DIR, or torch's own cache folder for extensions. Machines that share the
    folder and have other processors have another path each.

    Returns:
        A path of a file that need not exist.

    Example:
        >>> from odconv_torch import native
        >>> native.path().name
        'odconv_native.so'
    """
    from torch.utils.cpp_extension import get_default_build_root  # slow to import

    root = os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()
    parts = (*_sources(), *_flags(), torch.__version__, _processor())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return Path(root) / f"{_NAME}_{key}" / f"{_NAME}.so"


def build() -> Path:
    """Compiles the library with the compiler in CXX, or `c++`, and the flags in CXXFLAGS.

    Returns:
        `path()`, where a complete library is, whoever else builds it at the same time.

    Raises:
        RuntimeError: there is no compiler, it fails, or this is another system than Linux.

    Example:
        >>> from odconv_torch import native
        >>> file = native.build()
        >>> file == native.path(), file.exists()
        (True, True)
    """
    if sys.platform != "linux":
        raise RuntimeError(f"native operations: expected Linux, received {sys.platform}")
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        new = Path(folder) / target.name
        _compile(new)
        new.replace(target)
    return target


def _compile(target: Path) -> None:
    from torch.utils.cpp_extension import get_cxx_compiler, include_paths, library_paths

    compiler = get_cxx_compiler()
    command = [*shlex.split(compiler), *_flags(), *(f"-I{folder}" for folder in include_paths())]
    command += [str(_SOURCE), "-o", str(target), *(f"-L{folder}" for folder in library_paths())]
    command += ["-ltorch_cpu", "-lc10", _openmp()]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(
            f"native operations: expected a C++ compiler, such as g++, received {error}; install "
            "one, or name yours in the environment variable CXX"
        ) from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"native operations: {shlex.join(command)} ended with {error.returncode}:\n"
            f"{error.stderr[-2000:]}"
        ) from error


def _sources() -> list[str]:
    """The text of every file that is compiled."""
    headers = sorted(_SOURCE.parent.glob("*.h"))
    return [file.read_text(encoding="utf-8") for file in (_SOURCE, *headers)]


def _flags() -> list[str]:
    """All that the library depends on, but for the paths of this torch."""
    abi = int(torch.compiled_with_cxx11_abi())
    flags = ["-std=c++20", "-O3", "-march=native", "-fPIC", "-shared", "-fopenmp"]
    return [*flags, f"-D_GLIBCXX_USE_CXX11_ABI={abi}", *shlex.split(os.environ.get("CXXFLAGS", ""))]


def _openmp() -> str:
    """The OpenMP library of torch: a second one would bring threads of its own."""
    own = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return str(own[0]) if own else "-lgomp"


def _processor() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # x86 calls them flags, ARM Features; "model name" tells families with the same ones apart
    named = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return "\n".join([platform.machine(), *sorted(set(named))])
