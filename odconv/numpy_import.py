"""NumPy, imported so that a limit on memory or threads ends in an error that can be explained."""

from __future__ import annotations

import mmap
import os
from typing import Final

_BLAS_THREADS: Final = "OPENBLAS_NUM_THREADS"
_LEAST_MEMORY: Final = 80 << 20  # bytes of address space that NumPy and the converter take, about


def import_numpy() -> None:
    """With one thread for its algebra, which no command needs.

    Where a limit forbids threads, OpenBLAS would send the process an interrupt, and where one
    forbids its memory it would end the process with code 1.

    Raises:
        MemoryError: a limit leaves too little memory.
    """
    try:
        mmap.mmap(-1, _LEAST_MEMORY).close()
    except OSError as error:
        raise MemoryError from error
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        import numpy as np

        del np
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before
