"""Every import of every package: in statements, for type checkers only, and by string."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = (
    "odconv",
    "odconv_spec",
    "odconv_torch",
    "odconv_paddle",
    "odconv_keras",
    "odconv_training",
    "weights_converter",
    "parity_tests",
)
FILES = sorted(path.relative_to(ROOT) for name in OURS for path in (ROOT / name).rglob("*.py"))
TREES = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in FILES}


def module_of(path):
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(tree, nodes=ast.walk):
    """The names of modules in import statements, and in strings."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        else:
            yield from named_by_string(node)


def named_by_string(node):
    """Modules of ours that a string names: for `import_module`, for `python -m`, in a table.

    What an f-string leaves open may be anything. A name without a dot counts as the argument of
    a call that imports: elsewhere it may be that of a package to install, or of a command.
    """
    if isinstance(node, ast.Call) and called(node) in ("import_module", "__import__", "run_module"):
        (first, *_) = node.args
        yield from fitting(first)
    elif isinstance(node, ast.Constant | ast.JoinedStr):
        yield from (name for name in fitting(node) if "." in name)


def called(call):
    return getattr(call.func, "id", None) or getattr(call.func, "attr", None)


def fitting(node):
    """The modules of ours that have the name which this string, or f-string, stands for."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    if not isinstance(texts[0], str) or not texts[0].startswith(OURS):
        return []
    pattern = "".join(r"[\w.]+" if text is None else re.escape(text) for text in texts)
    return [name for name in MODULES if re.fullmatch(pattern, name)]


def when_loaded(tree):
    """The nodes that Python runs when it imports a file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and is_for_checkers(node):
            continue
        yield node
        yield from when_loaded(node)


def is_for_checkers(node):
    return ast.unparse(node.test) == "TYPE_CHECKING"
