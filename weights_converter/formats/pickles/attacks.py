"""Calls that can only be an attack, wherever in a file they are.

This list protects nobody: no name in a file is ever looked up, and a call that is not known is
answered with a placeholder. It is there for who would open the file with something else: a file
that asks to run a program is not to be handed on as if it were a checkpoint with a curious extra.
"""

from __future__ import annotations

from typing import Final

# Python's own modules that run programs, load code, or change files.
_MODULES: Final = frozenset(
    ("ctypes", "code", "commands", "importlib", "nt", "os", "pip", "posix", "pty", "runpy")
) | {"shutil", "socket", "subprocess", "sys", "webbrowser"}
_FUNCTIONS: Final = frozenset(
    ("__import__", "apply", "breakpoint", "compile", "eval", "exec", "execfile", "open")
)


def is_attack(name: str) -> bool:
    """Whether a call of `name`, a module and what is in it, runs something."""
    module, function = f"{name}.".split(".")[:2]
    return module in _MODULES or (
        module in ("builtins", "__builtin__", "io", "_io") and function in _FUNCTIONS
    )
