"""What all suites share: how memory is collected, and where temporary files go.

A framework is hundreds of thousands of objects that live as long as the process. To look through
them again and again took a fifth of the time of Keras' tests, so that the garbage collector leaves
alone what importing them has made.

The examples of the documents write checkpoints where a reader would, in folders that nobody
removes. A run gathers them in one folder and removes that: ten runs left some gigabytes. It does so
as the process ends, and before multiprocessing is imported, which has a folder in there of its own
to remove: what is registered first runs last.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from importlib import import_module
from types import ModuleType

import pytest


def pytest_configure() -> None:
    usual = tempfile.gettempdir()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", usual)  # pytest keeps what failed, and cleans up
    folder = tempfile.mkdtemp(prefix="odconv-tests-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    atexit.register(_remove, folder, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # what a process registered, its forks run when they end, too
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kit() -> ModuleType:
    """What a framework's folder builds and runs layers with, see tests/frameworks/conftest.py."""
    return import_module("kit")


def pytest_collectstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
