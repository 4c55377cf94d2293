"""Where the figures come from."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

_PREFIXES = ("OMP_", "KMP_", "MKL_", "OPENBLAS_", "FLAGS_", "XLA_", "TF_", "JAX_", "ONEDNN_")
_CAPS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
# What a processor calls the widest vectors that it has, the widest first.
_VECTORS = MappingProxyType({"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"})
_CPUINFO = Path("/proc/cpuinfo")  # of Linux


def machine() -> dict[str, object]:
    """Processor, cores, system, date, and the settings that change the speed of a framework."""
    return {
        "processor": _entry("model name") or platform.processor() or platform.machine(),
        "instructions": instructions(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "environment": {
            k: v for k, v in sorted(os.environ.items()) if k in _CAPS or k.startswith(_PREFIXES)
        },
    }


def instructions() -> str:
    """The widest vectors of the processor, such as "AVX-512", and what caps them."""
    has = set((_entry("flags") or _entry("Features")).split())
    widest = next((name for flag, name in _VECTORS.items() if flag in has), platform.machine())
    caps = [f"{name}={os.environ[name]}" for name in _CAPS if name in os.environ]
    return f"{widest} capped by {' '.join(caps)}" if caps else widest


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _entry(name: str) -> str:
    """What the system says of the first processor, "" where it says nothing."""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""
