"""What all suites share: the garbage collector leaves alone what importing them has made.

A framework is hundreds of thousands of objects that live as long as the process. To look through
them again and again took a fifth of the time of Keras' tests.
"""

from __future__ import annotations

import gc


def pytest_collectstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
