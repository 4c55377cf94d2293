"""The runtimes: what each needs installed, and in the environment of its own process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final


@dataclass(frozen=True)
class Runtime:
    """A framework, with its backend where it has several.

    Attributes:
        framework: "torch", "paddle" or "keras".
        modules: what it imports.
        extras: of odconv, which install these.
        environment: what its process needs.
        of_cases: what the many small cases of the parity suite need beside it.
    """

    framework: str
    modules: tuple[str, ...]
    extras: str
    environment: Mapping[str, str] = field(default_factory=dict)
    of_cases: Mapping[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        return all(find_spec(module) is not None for module in self.modules)

    @property
    def install(self) -> str:
        """The command that installs it, as a shell takes it."""
        return f"pip install 'odconv[{self.extras}]'"

    @property
    def suite(self) -> dict[str, str]:
        """The environment of the parity suite, and of our tests."""
        return {**self.environment, **self.of_cases}


RUNTIMES: Final[Mapping[str, Runtime]] = {
    "torch": Runtime("torch", ("torch",), "torch"),
    "paddle": Runtime("paddle", ("paddle",), "paddle", {"GLOG_minloglevel": "2"}),
    "keras-tensorflow": Runtime(
        "keras",
        ("keras", "tensorflow"),
        "tensorflow",
        {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    # JAX computes in 32 bits unless this is set before it is imported. Every case has shapes of its
    # own and runs once, so most of the time would go into optimising machine code: the flag leaves
    # that out, and leaves the operations and their fusion as they are.
    "keras-jax": Runtime(
        "keras",
        ("keras", "jax"),
        "jax",
        {"KERAS_BACKEND": "jax"},
        {"JAX_ENABLE_X64": "1", "XLA_FLAGS": "--xla_backend_optimization_level=0"},
    ),
    "keras-torch": Runtime("keras", ("keras", "torch"), "keras,torch", {"KERAS_BACKEND": "torch"}),
}
