"""Prefixes that a wrapper of the model puts on the names of all its arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from weights_converter.errors import MismatchError

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "module.": "DataParallel",
        "_orig_mod.": "torch.compile",
        "model.": "a module around the model, such as Lightning's",
        "net.": "a module around the model, such as Lightning's",
    }
)


def without_prefixes(
    names: Collection[str], targets: Collection[str] | None, file: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Each name -> the name without the prefixes that all have, and a note for each prefix.

    Args:
        names: those in the file.
        targets: canonical names of the model, where it is known. A prefix that they have
            themselves is the name of an attribute, and stays.
        file: for the message.

    Raises:
        MismatchError: a wrapper's prefix is on some names only.
    """
    found = {name: name for name in names}
    notes: tuple[str, ...] = ()
    while prefix := _common(found.values(), targets or (), file):
        found = {name: short.removeprefix(prefix) for name, short in found.items()}
        notes = (*notes, f"stripped {prefix!r} from all names: {PREFIXES[prefix]}")
    return found, notes


def without_root(
    names: Collection[str], targets: Collection[str] | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The same for the model's own name, with which all of TensorFlow's names begin."""
    roots = {name.partition(".")[0] for name in names}
    wanted = {target.partition(".")[0] for target in targets or ()}
    if len(roots) != 1 or roots == wanted or not all("." in name for name in names):
        return {name: name for name in names}, ()
    root = f"{roots.pop()}."
    return {name: name.removeprefix(root) for name in names}, (f"stripped {root!r}, its name",)


def _common(names: Collection[str], targets: Collection[str], file: str) -> str | None:
    for prefix in PREFIXES:
        if any(target.startswith(prefix) for target in targets):
            continue
        without = [name for name in names if not name.startswith(prefix) or name == prefix]
        if names and not without:
            return prefix
        if len(without) < len(names):
            raise MismatchError(
                f"{file}: {len(names) - len(without)} of {len(names)} names start with {prefix!r} "
                f"({PREFIXES[prefix]}), others do not: {', '.join(sorted(without)[:3])}",
                help="a wrapper puts its prefix on all names; were two state dicts merged, or are "
                "there arrays beside the model's? Save the state dict of the model alone",
            )
    return None
