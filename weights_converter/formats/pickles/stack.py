"""The values that a pickle has built so far: its stack with marks, and its memo.

Whatever comes here is counted, and charged to the budget of the file in blocks.
"""

from __future__ import annotations

from sys import getsizeof

from weights_converter.formats.pickles.stream import Stream

DEEPEST = 200  # tuples in tuples

# Bytes that things take, or a little more.
IN_LIST = 9
_IN_MEMO, _IN_DEPTHS = 160, 200
_BLOCK = 1 << 14  # bytes that are charged at once


class Stack:
    """What a machine works on. Errors name the instruction that `stream` has read last."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._budget = stream, stream.source.budget
        self._values: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[str, object] = {}
        # The depth of each tuple that has tuples in it, by identity; holding the tuple keeps its
        # identity its own.
        self._depths: dict[int, tuple[int, object]] = {}
        self._due = 0  # bytes that were taken and are not yet charged

    def __len__(self) -> int:
        return len(self._values)

    @property
    def memo_size(self) -> int:
        return len(self._memo)

    def take(self, count: int) -> None:
        """Counts bytes that are taken beside the stack's own."""
        self._due += count

    def charge(self) -> None:
        """Charges what was taken; raises where the budget of the file ends."""
        self._budget.charge_objects(0, text=self._due)
        self._due = 0

    def charge_full_block(self) -> None:
        if self._due > _BLOCK:
            self.charge()

    def push(self, value: object) -> None:
        """Puts a new value on the stack."""
        self._due += getsizeof(value)
        self._values.append(value)

    def push_tuple(self, items: tuple[object, ...]) -> None:
        self._due += IN_LIST * len(items)  # which may have come from the memo
        depth = 1
        for item in items:
            if type(item) is tuple:
                inner = self._depths[id(item)][0] if id(item) in self._depths else 1
                depth = max(depth, 1 + inner)
        if depth > DEEPEST:
            raise self._stream.refused(f"its pickle nests tuples more than {DEEPEST} deep")
        if depth > 1:
            self._due += _IN_DEPTHS
            self._depths[id(items)] = (depth, items)
        self.push(items)

    def push_tuple_of(self, length: int) -> None:
        self.push_tuple(tuple([self.pop() for _ in range(length)][::-1]))

    def pop(self) -> object:
        value = self.top()
        del self._values[-1]
        return value

    def top(self) -> object:
        # What lies under a mark belongs to what is being built.
        if len(self._values) <= (self._marks[-1] if self._marks else 0):
            raise self._stream.damaged("an instruction lacks its operand")
        return self._values[-1]

    def mark(self) -> None:
        self._marks.append(len(self._values))

    def pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise self._stream.damaged("an instruction lacks its mark")
        start = self._marks.pop()
        items = self._values[start:]
        del self._values[start:]
        return items

    def remember(self, index: int) -> None:
        self._due += _IN_MEMO
        self._memo[str(index)] = self.top()  # the file chooses the numbers, but not their hashes

    def recall(self, index: int) -> None:
        if str(index) not in self._memo:
            raise self._stream.damaged(f"it refers to the value {index}, which was not stored")
        self._values.append(self._memo[str(index)])
