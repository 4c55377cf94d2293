"""The arguments of `keras.applications` in the words of the specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def keras_habits(
    options: Mapping[str, Any],
    include_top: bool | None,
    pooling: str | None,
    classes: int | None,
    weights: str | None,
) -> dict[str, Any]:
    """The options of a spec, with what these arguments say of `num_classes` and `global_pool`.

    `classes` is `num_classes`. `include_top=False` is `num_classes=0`, where `pooling` is
    `global_pool` and None is "", the last map.

    Raises:
        ValueError: two of them contradict each other, or weights are asked for.
    """
    if weights is not None:
        raise ValueError(
            f"weights: expected None, received {weights!r}: this package ships none; load a file "
            "of any framework by odconv.load_into(model, file)"
        )
    found = dict(options)
    if classes is not None:
        _agree(found, "num_classes", classes, f"classes={classes!r}")
    if include_top is False:
        _agree(found, "num_classes", 0, "include_top=False")
        _agree(found, "global_pool", _pool(found, pooling), f"pooling={pooling!r}")
    elif include_top and found.get("num_classes") == 0:
        raise ValueError("include_top: expected False beside num_classes=0, received True")
    elif pooling is not None:
        raise ValueError(
            f"pooling: expected include_top=False beside it, received {pooling!r} alone; what a "
            "classifier pools is said by global_pool"
        )
    return found


def _pool(options: Mapping[str, Any], pooling: str | None) -> Any:
    return options.get("global_pool", "") if pooling is None else pooling


def _agree(options: dict[str, Any], name: str, value: Any, said: str) -> None:
    """Sets an option, which may have been given as the same."""
    if options.setdefault(name, value) != value:
        raise ValueError(
            f"{name}: expected one value, received {options[name]!r} beside {said}, which is "
            f"{name}={value!r}"
        )
