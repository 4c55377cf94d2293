"""Checks and normal forms of the options that convolutions share."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Literal, TypeAlias

Ints: TypeAlias = "int | Sequence[int]"
Pairs: TypeAlias = "tuple[tuple[int, int], ...]"
Padding: TypeAlias = "Pairs | Literal['same']"


def whole(name: str, value: object, minimum: int) -> int:
    """`value` as an int of at least `minimum`."""
    # An int is found at once; NumPy's whole numbers are Integral.
    if isinstance(value, bool) or not isinstance(value, (int, Integral)) or value < minimum:
        raise ValueError(f"{name}: expected a whole number >= {minimum}, received {value!r}")
    return int(value)


def real(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float that is more than `low` and at most `high`."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not low < value <= high:  # type: ignore[operator]  # a number by now
        raise ValueError(f"{name}: expected a number in ({low}, {high}], received {value!r}")
    return float(value)  # type: ignore[arg-type]


def flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, received {value!r}")


def one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"{name}: expected one of {', '.join(map(repr, allowed))}, received {value!r}"
        )
    return value


def per_axis(name: str, value: object, rank: int, minimum: int) -> tuple[int, ...]:
    """One number for each spatial axis, from one number for all or a sequence of `rank` numbers."""
    values = (value,) * rank if isinstance(value, (int, Integral)) else value
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != rank:
        raise ValueError(f"{name}: expected a whole number or {rank} of them, received {value!r}")
    return tuple(whole(name, item, minimum) for item in values)


def padding_pairs(value: object, rank: int) -> Padding:
    """Padding as (before, after) for each spatial axis, or "same".

    Accepts a number, one number or one (before, after) pair for each axis, "valid" or "same".
    "same" stays a word here because its size depends on the kernel's and with a stride on the
    input's; see `same_pairs`.
    """
    if isinstance(value, str):
        return "same" if one_of("padding", value, ("valid", "same")) == "same" else ((0, 0),) * rank
    values = (value,) * rank if isinstance(value, (int, Integral)) else value
    if not isinstance(values, Sequence) or len(values) != rank:
        raise ValueError(
            f"padding: expected 'valid', 'same', a whole number, {rank} numbers or {rank} "
            f"(before, after) pairs, received {value!r}"
        )
    before, after = zip(*(per_axis("padding", item, 2, 0) for item in values), strict=True)
    return tuple(zip(before, after, strict=True))


def same_pairs(kernel: Sequence[int], dilation: Sequence[int]) -> Pairs:
    """The padding that keeps a map's size at stride 1; an odd rest goes after, as everywhere."""
    totals = [reach * (taps - 1) for taps, reach in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def divisible(groups: int, **channels: int) -> None:
    for name, value in channels.items():
        if value % groups:
            raise ValueError(
                f"groups: expected a divisor of {name}={value}, received {groups} "
                f"({value} = {value // groups} * {groups} + {value % groups})"
            )
