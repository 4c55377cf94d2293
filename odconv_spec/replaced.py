"""What became of a network whose static convolutions were replaced, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

from odconv_spec.conv import ConvSpec
from odconv_spec.sizes import multiply_adds

_COLUMNS = (("parameters", 12), ("now", 12), ("multiply-adds", 14), ("now", 14))  # and letters


class Replacement(NamedTuple):
    """One layer: where it is, what it was and what it is.

    Attributes:
        path: in the network.
        before: the static convolution.
        after: the dynamic one.
        sizes: of the map that enters it, (height, width), once for each time that the network
            calls it; empty if the size of an image is not known.

    Example:
        >>> static = ConvSpec(in_channels=8, out_channels=6, kernel_size=3, padding=1)
        >>> dynamic = DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, padding=1)
        >>> change = Replacement("features.0", static, dynamic, sizes=((32, 40),))
        >>> change.parameters, change.multiply_adds
        ((432, 1756), (552960, 564952))
    """

    path: str
    before: ConvSpec
    after: ConvSpec
    sizes: tuple[tuple[int, ...], ...] = ()

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers that train, before and after.

        Returns:
            Two numbers of scalars.
        """
        return _count(self.before), _count(self.after)

    @property
    def multiply_adds(self) -> tuple[int, int]:
        """Of one image, before and after, see `odconv_spec.multiply_adds`; zero without `sizes`.

        Returns:
            Two numbers of multiply-adds.
        """
        before, after = (
            sum(multiply_adds(spec, size) for size in self.sizes)
            for spec in (self.before, self.after)
        )
        return before, after


class Replaced(NamedTuple):
    """A network and what `replace_convs` did to it, or would do; as text, a table.

    Attributes:
        model: the network, as the framework has it; as it was after a dry run.
        changes: the layers that were replaced.
        skipped: path and reason of each convolution that was chosen but is left as it is, because
            it does not train, computes in its own way, is shared with a layer that would lose it,
            or has widths, groups or a kernel that the kind cannot have.

    Example:
        >>> spec = ConvSpec(in_channels=8, out_channels=8, kernel_size=3)
        >>> print(Replaced("a network", (Replacement("stem", spec, spec),), ()))
        replaced   parameters          now
        stem              576          576
        total             576          576
    """

    model: Any
    changes: tuple[Replacement, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers that train in the layers of `changes`, before and after.

        Returns:
            Two numbers of scalars.
        """
        return _total(change.parameters for change in self.changes)

    @property
    def multiply_adds(self) -> tuple[int, int]:
        """Those of the layers of `changes` for one image, before and after.

        Returns:
            Two numbers of multiply-adds.
        """
        return _total(change.multiply_adds for change in self.changes)

    def __str__(self) -> str:
        rows = [(c.path or "(the model)", *c.parameters, *c.multiply_adds) for c in self.changes]
        rows.append(("total", *self.parameters, *self.multiply_adds))
        columns = _COLUMNS if any(change.sizes for change in self.changes) else _COLUMNS[:2]
        width = max(len("replaced"), *(len(row[0]) for row in rows))
        table = [("replaced", *(name for name, _ in columns))]
        table += [(path, *(f"{number:,}" for number in numbers)) for path, *numbers in rows]
        lines = [
            f"{path:<{width}}"
            + "".join(f" {cell:>{wide}}" for cell, (_, wide) in zip(cells, columns, strict=False))
            for path, *cells in table
        ]
        return "\n".join([*lines, *(f"left: {path}: {reason}" for path, reason in self.skipped)])


def _total(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    found = list(pairs)
    return sum(before for before, _ in found), sum(after for _, after in found)


def _count(spec: ConvSpec) -> int:
    return sum(prod(p.shape) for p in spec.parameters() if p.role.trainable)
