"""Which kind of convolution, with which options, a backbone's arrays belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from odconv_spec import ConvChoice, DyConvSpec
from odconv_spec.od_conv import ATTENTIONS
from weights_converter.errors import MismatchError

Shapes = Mapping[str, tuple[int, ...]]
Widths = set[tuple[int, int]]  # input channels and hidden width of the attentions
_MOST_WIDTHS = 256  # every ratio is tried with every width; published models have some ten


def infer_conv(shapes: Shapes) -> ConvChoice:
    """The convolution of the blocks, from canonical names and shapes.

    What leaves no trace in the arrays, such as the activation of the spatial attention, is taken
    to be as published.

    Raises:
        MismatchError: no options explain the widths.
    """
    if _ending(shapes, ".attention.fc.weight"):
        return _choice("od", **_od(shapes))
    if _ending(shapes, ".attention.fc1.weight"):
        return _choice("dy", **_dy(shapes))
    if routers := _ending(shapes, ".routing.weight"):
        return _choice("cond", kernel_num=dimension(shapes, routers[0], 0))
    return _choice("static")


@contextmanager
def possible_options(what: str = "model") -> Iterator[None]:
    """Turns what odconv_spec says of options into an error of ours, and no other ValueError.

    Only the call of a spec stands in the block, so that a mistake in this package is not taken for
    one in the file.
    """
    try:
        yield
    except ValueError as error:
        raise MismatchError(f"the arrays are of no possible {what}: {error}") from error


def _choice(kind: str, **options: Any) -> ConvChoice:
    with possible_options():
        return ConvChoice.of(kind, **options)


def _od(shapes: Shapes) -> dict[str, Any]:
    kernel_num = _kernel_num(shapes, ".attention.fc.weight", ".attention.kernel_fc.weight")
    found = [name for name in ATTENTIONS if _ending(shapes, f".attention.{name}_fc.weight")]
    # A single kernel has no kernel head, whether it was asked for or not.
    single = ["kernel"] if kernel_num == 1 else []
    return {
        "kernel_num": kernel_num,
        "attentions": [*found, *single],
        "attention_sharing": kernel_num == 1 or not _has_own_attentions(shapes, kernel_num),
        "norm": _norm(shapes),
        **_od_hidden(_widths(shapes, ".attention.fc.weight")),
    }


def _kernel_num(shapes: Shapes, trunk: str, weigher: str) -> int:
    """Kernels of every layer: as many as its bank has, and as many as its attention weighs."""
    owners = [name.removesuffix(trunk) for name in _ending(shapes, trunk)]
    counts = {owner: dimension(shapes, f"{owner}.weight", 0) for owner in owners}
    first = owners[0]
    for owner, count in counts.items():
        bank, head = f"{owner}.weight {shapes[f'{owner}.weight']}", f"{owner}{weigher}"
        weighed = shapes[head][0] if shapes.get(head) else 1
        if weighed != count:
            attention = f"{head} {shapes[head]}" if head in shapes else f"no {head}"
            raise MismatchError(
                f"{bank} has {count} kernels, but the attention weighs {weighed}: {attention}"
            )
        if count != counts[first]:
            raise MismatchError(
                f"the layers have different numbers of kernels: {bank} has {count}, "
                f"{first}.weight {shapes[f'{first}.weight']} has {counts[first]}",
                help="no backbone has; a network of your own needs its manifest, --model net.json",
            )
    return counts[first]


def _has_own_attentions(shapes: Shapes, kernel_num: int) -> bool:
    """Whether a channel or a filter head is `kernel_num` times as wide as what it scales."""
    heads = _ending(shapes, ".attention.channel_fc.weight")
    pairs = [(name, dimension(shapes, name.replace("channel_fc", "fc"), 1)) for name in heads]
    heads = _ending(shapes, ".attention.filter_fc.weight")
    pairs += [(n, dimension(shapes, n.replace("attention.filter_fc.", ""), 1)) for n in heads]
    return any(dimension(shapes, name, 0) == kernel_num * width for name, width in pairs)


def _norm(shapes: Shapes) -> str:
    if _ending(shapes, ".attention.bn.weight"):
        return "batch"
    return "layer" if _ending(shapes, ".attention.ln.weight") else "none"


def _od_hidden(widths: Widths) -> dict[str, Any]:
    """`reduction` and `min_channels` that explain every hidden width: the published ones first."""
    for floor in sorted({16, min((h for _, h in widths), default=16)}, reverse=True):
        for reduction in (1 / 16, *_ratios(widths)):
            if all(hidden == max(int(width * reduction), floor) for width, hidden in widths):
                return {"reduction": reduction, "min_channels": floor}
    raise _unexplained(widths, "max(int(width * reduction), min_channels)")


def _dy(shapes: Shapes) -> dict[str, Any]:
    kernel_num = _kernel_num(shapes, ".attention.fc1.weight", ".attention.fc2.weight")
    return {
        "kernel_num": kernel_num,
        "fc1_bias": bool(_ending(shapes, ".attention.fc1.bias")),
        "fc2_bias": bool(_ending(shapes, ".attention.fc2.bias")),
        **_dy_hidden(_widths(shapes, ".attention.fc1.weight"), kernel_num),
    }


def _dy_hidden(widths: Widths, kernel_num: int) -> dict[str, Any]:
    """The options that explain every hidden width: those of the paper first."""
    for rule in ("paper", "plus_one"):
        less = {(width, hidden - (rule == "plus_one")) for width, hidden in widths}
        for reduction in (0.25, *_ratios(less)):
            options = {"hidden_rule": rule, "reduction": reduction}
            if all(_dy_width(w, kernel_num, options) == hidden for w, hidden in widths):
                return options
    if len({hidden for _, hidden in widths}) == 1:
        return {"hidden_channels": next(iter(widths))[1]}
    raise _unexplained(widths, "int(width * reduction), or one more")


def _dy_width(in_channels: int, kernel_num: int, options: Mapping[str, Any]) -> int:
    known: dict[str, Any] = {"in_channels": in_channels, "kernel_num": kernel_num, **options}
    with possible_options():
        return DyConvSpec(out_channels=1, kernel_size=1, **known).attention_channels


def _ratios(widths: Widths) -> Iterator[float]:
    if len(widths) > _MOST_WIDTHS:
        return iter(())
    return iter(sorted({hidden / width for width, hidden in widths if 0 < hidden <= width}))


def _widths(shapes: Shapes, suffix: str) -> Widths:
    return {(shapes[n][1], shapes[n][0]) for n in _ending(shapes, suffix) if len(shapes[n]) > 2}


def _ending(shapes: Shapes, suffix: str) -> list[str]:
    return [name for name in shapes if name.endswith(suffix)]


def dimension(shapes: Shapes, name: str, axis: int) -> int:
    """The size of one axis; MismatchError if the array or the axis is missing."""
    shape = shapes.get(name, ())
    if axis >= len(shape):
        raise MismatchError(
            f"{name}: expected an array with at least {axis + 1} axes, "
            + (f"found the shape {shape}" if name in shapes else "found no such array")
        )
    return shape[axis]


def _unexplained(widths: Widths, rule: str) -> MismatchError:
    return MismatchError(
        "no reduction explains the hidden widths of the attentions: (width, hidden) "
        f"{sorted(widths)[:6]}; expected hidden = {rule}"
    )
