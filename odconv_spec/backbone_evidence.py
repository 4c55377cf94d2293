"""What the arrays of a network show of its stem and its classifier."""

from __future__ import annotations

from typing import Protocol

from odconv_spec.choice import shown_kind
from odconv_spec.evidence import Shapes, UnexplainedError, dimension
from odconv_spec.parameters import Parameter, Role

_BANKS = (Role.EXPERT_KERNELS, Role.CELLS)  # which have the classes on their second axis


class Stored(Protocol):
    """What has arrays, such as the spec of a network."""

    def parameters(self) -> tuple[Parameter, ...]: ...


def stem_sign(stem: str, shapes: Shapes) -> str:
    """The array whose second axis has the channels of the image: mostly the kernel of the stem."""
    kind = shown_kind(shapes)
    reader = f"{stem}.{kind.reads if kind else 'weight'}"
    return reader if reader in shapes else f"{stem}.weight"


def classes_of(head: str, kernel: Parameter, shapes: Shapes) -> int:
    """Width of the classifier at the path `head`, 0 where the network has none.

    Args:
        head: its path.
        kernel: the first array of such a classifier, of any width.
        shapes: of the network.

    Raises:
        UnexplainedError: the bias has another width than the weight.
    """
    if not any(name.startswith(f"{head}.") for name in shapes):
        return 0
    weight = f"{head}.{kernel.name}"
    classes = dimension(shapes, weight, 1 if kernel.role in _BANKS else 0)
    _check_head(shapes, weight, f"{weight.removesuffix('weight')}bias", classes)
    return classes


def fits(spec: Stored, shapes: Shapes) -> bool:
    """Whether arrays of the same names have the same shapes."""
    try:
        return all(shapes.get(p.name, p.shape) == p.shape for p in spec.parameters())
    except ValueError:  # cells that do not fit
        return False


def _check_head(shapes: Shapes, head: str, bias: str, classes: int) -> None:
    """Raises UnexplainedError where the classifier's bias has another width than its weight."""
    width = shapes.get(bias, (classes,))
    if width != (classes,):
        transposed = width == shapes[head][-1:]
        raise UnexplainedError(
            f"{head} {shapes[head]} has {classes} classes, {bias} {width} has not",
            help="it looks transposed; was this file converted before?" if transposed else None,
        )
