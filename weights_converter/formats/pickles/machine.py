"""A pickle machine that can build plain data and nothing else.

Python's own, also when a subclass restricts its names, crashes on a tuple nested 200 000 deep
(https://github.com/python/cpython/issues/154318) and allocates gigabytes for an eleven-byte file
(https://github.com/python/cpython/issues/115952). The instructions are those of
https://docs.python.org/3/library/pickletools.html; those that no checkpoint needs do not exist.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Final

from weights_converter.errors import ConverterError, legible
from weights_converter.formats.pickles.attacks import is_attack
from weights_converter.formats.pickles.calls import Vocabulary
from weights_converter.formats.pickles.keys import Keys
from weights_converter.formats.pickles.stack import IN_LIST, Stack
from weights_converter.formats.pickles.stream import LITERALS, Stream
from weights_converter.formats.pickles.values import (
    BadCall,
    Buildable,
    Global,
    Inert,
    Unsupported,
)

MOST_INSTRUCTIONS = 1_000_000  # a large network with its optimizer state takes 100 000

_STOP = ord(".")
_NEWEST_PROTOCOL = 5
_IN_DICT, _ERROR = 112, 512  # bytes that things take, or a little more
_MACHINE = 16  # objects that a machine counts as: tar archives need one for each tensor
_BYTE, _WORD, _LONG = struct.Struct("<B"), struct.Struct("<I"), struct.Struct("<Q")
_GETATTR = ("builtins.getattr", "__builtin__.getattr")


class Machine:
    """Runs one pickle.

    `persistent` answers torch's references to storages; without it they are refused. What is built
    is charged to the budget of the file.
    """

    def __init__(
        self,
        stream: Stream,
        vocabulary: Vocabulary,
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self._stream, self._vocabulary, self._persistent = stream, vocabulary, persistent
        stream.source.budget.charge_objects(_MACHINE)
        self.stack = Stack(stream)
        self._keys = Keys()

    def run(self, alone: bool = True) -> object:
        """The pickled value, with a placeholder for whatever is not known.

        Args:
            alone: Whether the pickle is all that the stream has; else more may follow.

        Raises:
            RefusedError: the pickle does something that a checkpoint has no need of.
            DamagedError: it is truncated or makes no sense.
        """
        for _ in range(MOST_INSTRUCTIONS):
            self.stack.charge_full_block()
            code = self._stream.instruction()
            if code == _STOP:
                return self._finished(alone)
            if code in LITERALS:
                self.stack.push(LITERALS[code](self._stream))
            elif code in ACTIONS:
                ACTIONS[code](self)
            else:
                raise self._stream.refused(f"its pickle has the instruction {bytes([code])!r}")
        raise self._stream.refused(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")

    def _finished(self, alone: bool) -> object:
        self.stack.charge()
        value = self.stack.pop()
        if self.stack:
            raise self._stream.damaged(f"{len(self.stack)} values are left over")
        if alone and self._stream.left:
            raise self._stream.refused(f"{self._stream.left} bytes follow the end of its pickle")
        return value

    def _push_set(self, name: str, items: list[object]) -> None:
        self.stack.take(getsizeof(items))
        self.stack.push(Inert(name, items))

    def _push_placeholder(self, name: str, error: ConverterError) -> None:
        """In place of an object that is not known; `error` is raised where it could be an array."""
        self.stack.take(_ERROR + len(str(error)))
        self.stack.push(Inert(name, error=error))

    def _protocol(self) -> None:
        version = self._stream.number(_BYTE)
        if version > _NEWEST_PROTOCOL:
            raise self._stream.refused(f"its pickle has the protocol {version}")

    def _frame(self) -> None:
        length = self._stream.number(_LONG)
        if length > self._stream.left:
            raise self._stream.source.truncated(f"its pickle needs {length} bytes more")

    def _extend(self, items: list[object]) -> None:
        target = self.stack.top()
        if type(target) is not list and not isinstance(target, Inert):
            raise self._stream.refused(f"its pickle appends to a {type(target).__name__}")
        if type(target) is list:
            self.stack.take(IN_LIST * (len(items) + 4))
            target.extend(items)

    def _add_items(self) -> None:
        items, target = self.stack.pop_to_mark(), self.stack.top()
        if not isinstance(target, Inert) or type(target.state) is not list:
            raise self._stream.refused(f"its pickle adds to a {type(target).__name__}")
        self.stack.take(IN_LIST * (len(items) + 4))
        target.state.extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self.stack.top()
        if not isinstance(target, (dict, Inert)):
            raise self._stream.refused(f"its pickle sets items of a {type(target).__name__}")
        if len(items) % 2:
            raise self._stream.damaged("a key lacks its value")
        self.stack.take(_IN_DICT * (1 + len(items) // 2))
        for key, value in zip(items[::2], items[1::2], strict=True):
            kept = key if type(key) is str else self._other_key(key)
            if isinstance(target, dict):
                target[kept] = value

    def _other_key(self, key: object) -> object:
        if isinstance(key, dict | list):
            raise self._stream.refused(f"its pickle has a key of type {type(key).__name__}")
        return self._keys.kept(key)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _push_global(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise self._stream.refused("its pickle names something in an odd way")
        full = f"{module}.{name}"
        if self._vocabulary.knows(full):
            self.stack.push(Global(full))
        else:
            error = self._stream.refused(f"it calls {legible(full)}")
            self.stack.take(_ERROR + getsizeof(full) + len(str(error)))
            self.stack.push(Global(full, error))

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._push_global(module, name)

    def _persistent_id(self) -> None:
        if self._persistent is None:
            raise self._stream.refused("its pickle refers to data outside of it")
        try:
            self.stack.push(self._persistent(self.stack.pop()))
        except BadCall as bad:
            raise self._stream.refused(f"it refers to a storage {bad}") from None

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global | Inert) or type(arguments) is not tuple:
            raise self._stream.refused(f"it calls a {type(function).__name__}")
        if isinstance(function, Inert):  # such as a partial, by which old protocols give options
            error = function.error or self._stream.refused(f"it calls a {legible(function.name)}")
            self._push_placeholder(function.name, error)
        elif function.error is None:
            self._call(function.name, arguments)
        elif is_attack(function.name):
            raise function.error
        elif function.name in _GETATTR and [type(part) for part in arguments] == [Global, str]:
            self._push_global(*(getattr(part, "name", part) for part in arguments))
        else:
            self._push_placeholder(function.name, function.error)

    def _call(self, name: str, arguments: tuple[object, ...]) -> None:
        """Answers a call of the vocabulary, or says why it cannot be one."""
        try:
            value = self._vocabulary.call(name, arguments)
        except BadCall as bad:
            error = self._stream.refused(f"it calls {name} {bad}")
            if is_attack(name):
                raise error from None
            self._push_placeholder(name, error)
        except Unsupported as lack:
            self._push_placeholder(name, self._stream.source.unsupported(str(lack), lack.help))
        else:
            if type(value) is tuple:
                self.stack.push_tuple(value)
            else:
                self.stack.push(value)

    def _new_object(self, arguments: int) -> None:
        """cls.__new__(cls, *arguments), or with a dict of more of them."""
        for _ in range(arguments):
            self.stack.pop()
        cls = self.stack.pop()
        if type(cls) is not Global:
            raise self._stream.refused("it creates an object of no class")
        if cls.error is None and cls.name not in self._vocabulary.classes:
            raise self._stream.refused(f"it creates an object of {cls.name}")
        self.stack.push(Inert(cls.name, error=None if self._vocabulary.objects else cls.error))

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack.top()
        if type(target) is OrderedDict and type(state) is dict:
            return  # torch keeps version numbers of modules there
        if not isinstance(target, Buildable):
            raise self._stream.refused(f"its pickle changes the state of a {type(target).__name__}")
        try:
            target.build(state)
        except BadCall as bad:
            raise self._stream.refused(f"it builds an object {bad}") from None


ACTIONS: Final[Mapping[int, Callable[[Machine], object]]] = {
    0x80: Machine._protocol,
    0x95: Machine._frame,
    ord("("): lambda machine: machine.stack.mark(),
    ord("0"): lambda machine: machine.stack.pop(),
    ord("1"): lambda machine: machine.stack.pop_to_mark(),
    ord("t"): lambda machine: machine.stack.push_tuple(tuple(machine.stack.pop_to_mark())),
    0x85: lambda machine: machine.stack.push_tuple_of(1),
    0x86: lambda machine: machine.stack.push_tuple_of(2),
    0x87: lambda machine: machine.stack.push_tuple_of(3),
    ord("a"): lambda machine: machine._extend([machine.stack.pop()]),
    ord("e"): lambda machine: machine._extend(machine.stack.pop_to_mark()),
    0x8F: lambda machine: machine._push_set("builtins.set", []),
    0x90: Machine._add_items,
    0x91: lambda machine: machine._push_set("builtins.frozenset", machine.stack.pop_to_mark()),
    ord("s"): Machine._set_item,
    ord("u"): lambda machine: machine._set_items(machine.stack.pop_to_mark()),
    ord("q"): lambda machine: machine.stack.remember(machine._stream.number(_BYTE)),
    ord("r"): lambda machine: machine.stack.remember(machine._stream.number(_WORD)),
    0x94: lambda machine: machine.stack.remember(machine.stack.memo_size),
    ord("h"): lambda machine: machine.stack.recall(machine._stream.number(_BYTE)),
    ord("j"): lambda machine: machine.stack.recall(machine._stream.number(_WORD)),
    ord("c"): lambda machine: machine._push_global(machine._stream.line(), machine._stream.line()),
    0x93: Machine._stack_global,
    ord("Q"): Machine._persistent_id,
    ord("R"): Machine._reduce,
    0x81: lambda machine: machine._new_object(1),
    0x92: lambda machine: machine._new_object(2),
    ord("b"): Machine._build,
}
