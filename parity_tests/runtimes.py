"""The runtimes: the environment that each needs in its own process, and what to install for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RUNTIMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "torch": MappingProxyType({}),
        "paddle": MappingProxyType({"GLOG_minloglevel": "2"}),
        "keras-tensorflow": MappingProxyType(
            {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        ),
        # JAX computes in 32 bits unless told otherwise before it is imported. Every case has shapes
        # of its own and runs once, so most of the time would go into optimising machine code: the
        # flag leaves that out, and leaves the operations and their fusion as they are.
        "keras-jax": MappingProxyType(
            {
                "KERAS_BACKEND": "jax",
                "JAX_ENABLE_X64": "1",
                "XLA_FLAGS": "--xla_backend_optimization_level=0",
            }
        ),
        "keras-torch": MappingProxyType({"KERAS_BACKEND": "torch"}),
    }
)
# As a shell takes it.
PIP: Mapping[str, str] = MappingProxyType(
    {
        "torch": "'odconv[torch]'",
        "paddle": "'odconv[paddle]'",
        "keras-tensorflow": "'odconv[tensorflow]'",
        "keras-jax": "'odconv[jax]'",
        "keras-torch": "'odconv[keras,torch]'",
    }
)
