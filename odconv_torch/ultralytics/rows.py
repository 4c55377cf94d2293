"""Rows of a model's YAML that ask for dynamic convolutions."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final, NamedTuple

from odconv_spec.choice import dynamic_kinds
from odconv_spec.replacing import replacing_spec

# Blocks of ultralytics whose larger kernels may be dynamic ones.
BLOCKS: Final = ("C2f", "C3", "C3k2")
_CONV: Final = "Conv"
_PARTS: Final = ("backbone", "head")
_RANK: Final = 2
_CELLS: Final = 4  # of a row


class Row(NamedTuple):
    """A row whose convolutions become dynamic.

    Attributes:
        number: of the layer in the network.
        module: as the YAML has it, such as "ODConv2d" or "C2f_ODConv".
        block: the module of ultralytics that it is made of, "Conv" or one of `BLOCKS`.
        kind: of the convolutions.
        options: of these.
    """

    number: int
    module: str
    block: str
    kind: str
    options: Mapping[str, Any]

    @property
    def is_conv(self) -> bool:
        return self.block == _CONV

    def error(self, reason: object) -> ValueError:
        """The error of this row."""
        return ValueError(f"row {self.number}, {self.module}: {reason}")


def modules() -> dict[str, tuple[str, str]]:
    """What a YAML may name beside the modules of ultralytics.

    Returns:
        Name -> the module of ultralytics that it is made of, and the kind of its convolutions.

    Example:
        >>> modules()["ODConv2d"], modules()["C3k2_DyConv"]
        (('Conv', 'od'), ('C3k2', 'dy'))
    """
    found = {}
    for spec in dynamic_kinds():
        if _RANK in spec.ranks:
            found[f"{spec.title()}{_RANK}d"] = (_CONV, spec.kind)
            found |= {f"{block}_{spec.title()}": (block, spec.kind) for block in BLOCKS}
    return found


def divide(network: Mapping[str, Any], known: Container[str]) -> tuple[dict[str, Any], list[Row]]:
    """The network without dynamic convolutions, and the rows that had them.

    Args:
        network: what a YAML holds, with the lists "backbone" and "head" of rows
            [from, repeats, module, arguments]. The last argument of a row may be a dictionary: the
            options of its dynamic convolutions.
        known: names of the modules of ultralytics.

    Returns:
        A description that ultralytics understands, and what is dynamic in it.

    Raises:
        ValueError: a row of another form, an unknown module, an option that its kind does not
            have, options that are not the last argument, or options of a static module.
    """
    static, rows, ours = dict(network), list[Row](), modules()
    for part in _PARTS:
        static[part] = []
        for cells in network[part]:
            number = len(static["backbone"]) + (len(static["head"]) if part == "head" else 0)
            source, repeats, module, arguments = _checked_cells(number, cells)
            if module in ours:
                block, kind = ours[module]
                arguments, options = _without_options(arguments)
                rows.append(_checked(Row(number, module, block, kind, options), arguments))
                module = block
            else:
                _check_static(number, module, arguments, known, ours)
            static[part].append([source, repeats, module, arguments])
    return static, rows


def _without_options(arguments: Sequence[Any]) -> tuple[list[Any], Mapping[str, Any]]:
    *others, last = [*arguments] or [None]
    return (others, last) if isinstance(last, Mapping) else ([*arguments], {})


def _checked_cells(number: int, cells: Any) -> tuple[Any, Any, Any, Sequence[Any]]:
    """[from, repeats, module, arguments]"""
    if not _is_list(cells) or len(cells) != _CELLS or not _is_list(cells[-1]):
        raise ValueError(
            f"row {number}: expected [from, repeats, module, arguments], of which the last is a "
            f"list, such as [-1, 1, ODConv2d, [128, 3, 2]]; received {cells!r}"
        )
    return tuple(cells)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _checked(row: Row, arguments: Sequence[Any]) -> Row:
    if any(isinstance(value, Mapping) for value in arguments):
        raise row.error(f"expected its options as the last argument, received {arguments}")
    try:
        replacing_spec(row.kind, row.options)
    except ValueError as error:
        raise row.error(error) from error
    return row


def _check_static(
    number: int,
    module: object,
    arguments: Sequence[Any],
    known: Container[str],
    ours: Mapping[str, tuple[str, str]],
) -> None:
    name = str(module)
    if "." not in name and name not in known:
        convs = ", ".join(title for title, (block, _) in ours.items() if block == _CONV)
        raise ValueError(
            f"row {number}, {name}: expected a module of ultralytics, one of {convs}, or "
            f"{', '.join(BLOCKS)} with a kind, such as {BLOCKS[0]}_ODConv; received {module!r}"
        )
    options = next((value for value in arguments if isinstance(value, Mapping)), None)
    if options is not None and name in (_CONV, *BLOCKS):
        dynamic = ", ".join(title for title, (block, _) in ours.items() if block == name)
        raise ValueError(
            f"row {number}, {name}: expected no options of a static module, received "
            f"{dict(options)}; modules that take them are {dynamic}"
        )
