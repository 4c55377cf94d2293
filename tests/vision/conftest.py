"""What ultralytics reads from the environment when it is imported: nothing of the user's."""

from __future__ import annotations

import os
import tempfile

import pytest

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"


def pytest_configure(config: pytest.Config) -> None:
    settings = tempfile.TemporaryDirectory(prefix="ultralytics-", ignore_cleanup_errors=True)
    os.environ.setdefault("YOLO_CONFIG_DIR", settings.name)  # which it writes
    config.add_cleanup(settings.cleanup)
