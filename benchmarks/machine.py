"""Where the figures come from."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

_PREFIXES = ("OMP_", "KMP_", "MKL_", "OPENBLAS_", "FLAGS_", "XLA_", "TF_", "JAX_", "ONEDNN_")


def machine() -> dict[str, object]:
    """Processor, cores, system, date, and the settings that change the speed of a framework."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)},
    }


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
