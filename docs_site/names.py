"""Public names: what the packages list in `__all__`, read from the source without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# In the order of the reference.
PACKAGES: Final = (
    "odconv",
    "odconv_torch",
    "odconv_paddle",
    "odconv_keras",
    "odconv_spec",
    "weights_converter",
    "parity_tests",
    "odconv_training",
)


@cache
def public_names() -> Mapping[str, tuple[str, ...]]:
    """Each package and subpackage that lists its names, with the names in their order."""
    return {name: names for name, path in _packages() if (names := listed(path))}


def listed(path: Path) -> tuple[str, ...]:
    """The names in `__all__` of a file of Python; none where it has no `__all__`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


def defined_in(path: str) -> str:
    """Where the object of a name is defined, if a module of the same name hides it from Griffe.

    `odconv_torch.tools.fuse` is a function for who imports it, and a file for who reads the source.
    """
    package, _, name = path.rpartition(".")
    folder = ROOT.joinpath(*package.split("."))
    file = folder / "__init__.py"
    if not file.is_file():
        return path
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names):
            inner = defined_in(f"{node.module}.{name}")
            hidden = (folder / f"{name}.py").is_file() or inner != f"{node.module}.{name}"
            return inner if hidden else path
    return path


def summary(package: str) -> str:
    """The first sentence of a package's docstring."""
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _packages() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("__init__.py")):
            yield ".".join(path.parent.relative_to(ROOT).parts), path
