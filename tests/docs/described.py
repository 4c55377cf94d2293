"""What stands behind the entries of the reference, read from the source by Griffe."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from griffe import Attribute, Class, Function, GriffeLoader, Object

from docs_site.names import PACKAGES, ROOT
from docs_site.reference import entries

CONSTRUCTORS = ("__init__", "__new__", "__post_init__")
# Methods that Keras and PyTorch call by these names, and document.
OF_FRAMEWORKS = {
    *("build", "call", "compute_output_shape", "compute_output_spec", "extra_repr", "forward"),
    *("get_build_config", "load_own_variables", "save_own_variables"),
    *("from_config", "get_config", "load_state_dict", "state_dict", "update_step"),
    *("on_train_batch_begin", "on_train_batch_end", "on_train_begin"),
}


@cache
def described() -> Mapping[str, Object]:
    """The objects behind the entries of the reference, by their path."""
    loader = GriffeLoader(search_paths=[ROOT])
    for package in PACKAGES:
        loader.load(package)
    loader.resolve_aliases(implicit=False)
    found = {path: loader.modules_collection[path] for path in entries().values()}
    return {path: one.final_target if one.is_alias else one for path, one in found.items()}


@cache
def members() -> Mapping[str, Function | Attribute]:
    """Path -> each public method and property of the classes among these, inherited ones too."""
    classes = [one for one in described().values() if isinstance(one, Class)]
    return {
        member.path: member
        for one in classes
        for owner in (one, *one.mro())
        for name, member in owner.members.items()
        if not name.startswith("_") and not member.is_alias and _is_called(member)
    }


def docstrings(member: Object) -> Iterator[str]:
    """The docstring of a function, and those of the methods that it overrides."""
    name, owner = member.name, member.parent
    classes = [owner, *owner.mro()] if isinstance(owner, Class) else []
    for one in [each.members.get(name) for each in classes] or [member]:
        if one is not None and not one.is_alias and one.docstring:
            yield one.docstring.value


def result(member: Object) -> str:
    """The annotation of what a function returns or a property is, as text; "" for none."""
    kept = member.returns if isinstance(member, Function) else member.annotation
    return "" if kept is None else str(kept)


def raised(one: Object) -> set[str]:
    """The errors that stand behind `raise` in a function's body, or in a class's constructor."""
    names = CONSTRUCTORS if isinstance(one, Class) else ("",)
    own = one.path.removeprefix(f"{one.module.path}.")
    # A dataclass has constructors in Griffe that the source lacks.
    bodies = (_functions(one.filepath).get(f"{own}.{name}".strip(".")) for name in names)
    return {error for body in bodies if body is not None for error in _raised(body)}


def _raised(node: ast.AST) -> Iterator[str]:
    """The names of what is raised here, without what functions inside of it raise."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            yield ast.unparse(child.exc.func).rpartition(".")[2]
        elif not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from _raised(child)


@cache
def _functions(path: Path) -> Mapping[str, ast.FunctionDef]:
    """The functions of a file, and the methods of its classes as `Class.method`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [("", body)] + [(f"{n.name}.", n.body) for n in body if isinstance(n, ast.ClassDef)]
    return {
        f"{owner}{node.name}": node
        for owner, nodes in classes
        for node in nodes
        if isinstance(node, ast.FunctionDef)
    }


def _is_called(member: Object) -> bool:
    return bool(member.is_function or {"property", "cached_property"} & set(member.labels))
