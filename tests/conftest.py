"""What all suites share: how memory is collected, and where temporary files go.

A framework is hundreds of thousands of objects that live as long as the process. To look through
them again and again took a fifth of the time of Keras' tests, so that the garbage collector leaves
alone what importing them has made.

The examples of the documents write checkpoints where a reader would, in folders that nobody
removes. A run gathers them in one folder and removes that: ten runs left some gigabytes.
multiprocessing has a folder of its own in there, and removes it as the process ends, so that it
removes ours as well, behind its own.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from importlib import import_module
from multiprocessing.util import Finalize
from types import ModuleType

import pytest

BEHIND_MULTIPROCESSING = -200  # whose own folder has -100; the lowest is the last


def pytest_configure() -> None:
    usual = tempfile.gettempdir()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", usual)  # pytest keeps what failed, and cleans up
    folder = tempfile.mkdtemp(prefix="odconv-tests-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    # Forks leave it alone: a `Finalize` is called in the process that made it.
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=BEHIND_MULTIPROCESSING)


@pytest.fixture
def kit() -> ModuleType:
    """What a framework's folder builds and runs layers with, see tests/frameworks/conftest.py."""
    return import_module("kit")


def pytest_collectstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
