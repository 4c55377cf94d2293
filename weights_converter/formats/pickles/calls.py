"""Which names a checkpoint's pickle may contain, and what stands for a call of each.

A call is answered with plain data that we build. Nothing is imported, looked up or executed, so
there is no list of dangerous names to keep up to date: what is not recognised is a placeholder,
which is refused where an array should be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from weights_converter.formats.pickles.values import BadCall, Inert, Span

Arguments: TypeAlias = tuple[object, ...]
Call: TypeAlias = Callable[[Arguments], object]


@dataclass(frozen=True)
class Vocabulary:
    """The names that one kind of file uses."""

    calls: Mapping[str, Call]  # may be called
    names: frozenset[str]  # may only be mentioned
    classes: frozenset[str]  # objects of these are kept inert
    # Whether objects of other classes are, too: they may be modules.
    objects: bool = False

    def knows(self, name: str) -> bool:
        return name in self.calls or name in self.names or name in self.classes

    def call(self, name: str, arguments: Arguments) -> object:
        """Raises BadCall if this is not a call that a checkpoint makes."""
        if name in self.classes:
            return Inert(name)
        if name not in self.calls:
            raise BadCall("which is not for calling")
        return self.calls[name](arguments)


def _ordered_dict(arguments: Arguments) -> object:
    if arguments:
        raise BadCall("with arguments")
    return OrderedDict()


def _tuple(arguments: Arguments) -> object:
    if len(arguments) != 1 or type(arguments[0]) not in (list, tuple):
        raise BadCall("with something else than one sequence")
    return tuple(arguments[0])  # type: ignore[arg-type]


def _bytes(arguments: Arguments) -> object:
    """Protocol 2 writes the empty bytes as a call."""
    if arguments:
        raise BadCall("with arguments")
    return b""


def _set(arguments: Arguments) -> object:
    """A set of a list, which is not copied: all that counts is which buffers are not saved."""
    if len(arguments) > 1 or (arguments and type(arguments[0]) is not list):
        raise BadCall("with something else than one list")
    return Inert("builtins.set", arguments[0] if arguments else [])


def _encode(arguments: Arguments) -> object:
    """Protocol 2 writes bytes as text to be encoded as Latin-1."""
    if len(arguments) != 2 or arguments[1] != "latin1":
        raise BadCall("with something else than (text, 'latin1')")
    text = arguments[0]
    if isinstance(text, Span) and text.text:
        return replace(text, text=False, latin1=True)
    if not isinstance(text, str):
        raise BadCall("with something else than text")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadCall("with characters that are no bytes") from None


PYTHON_CALLS: Final[Mapping[str, Call]] = {
    "collections.OrderedDict": _ordered_dict,
    "builtins.tuple": _tuple,
    "__builtin__.tuple": _tuple,
    "builtins.bytes": _bytes,
    "__builtin__.bytes": _bytes,
    "_codecs.encode": _encode,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "builtins.frozenset": _set,
    "__builtin__.frozenset": _set,
}
# What training scripts keep beside the weights: options, learning-rate milestones, paths, dates.
PYTHON_CLASSES = frozenset(
    {
        "argparse.Namespace",
        "collections.Counter",
        "collections.defaultdict",
        "collections.deque",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "functools.partial",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.PurePath",
        "pathlib.PurePosixPath",
        "pathlib.WindowsPath",
        "torch.Size",
        "torch.device",
    }
)
PYTHON_NAMES = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("dict", "float", "int", "list")
)
