"""Files that stay open while many of their arrays are read, and are closed when that ends.

Opening a file takes as long as reading a hundred kilobytes of it, and a network has a thousand
arrays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_MOST = 4  # a set of shards may have thousands


class _Kept:
    """What is open, the last used one last."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, tuple[Any, ExitStack]] = OrderedDict()

    def get(self, key: Hashable, opener: Callable[[], AbstractContextManager[T]]) -> T:
        if key not in self._open:
            while len(self._open) >= _MOST:
                self._open.popitem(last=False)[1][1].close()
            with ExitStack() as stack:
                self._open[key] = stack.enter_context(opener()), stack.pop_all()
        self._open.move_to_end(key)
        found: T = self._open[key][0]
        return found

    def close(self) -> None:
        with ExitStack() as stack:
            for _, opened in self._open.values():
                stack.enter_context(opened)


_KEPT: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def kept_open() -> Iterator[None]:
    """Within the block, a file is opened once, however many arrays of it are read.

    A block within a block changes nothing: files stay open until the outer one ends.
    """
    if _KEPT.get() is not None:
        yield
        return
    kept = _Kept()
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)
        kept.close()


def opened(
    key: Hashable, opener: Callable[[], AbstractContextManager[T]]
) -> AbstractContextManager[T]:
    """What `opener` opens: until the end of this block, or of that of `kept_open` around it."""
    kept = _KEPT.get()
    return opener() if kept is None else nullcontext(kept.get(key, opener))
