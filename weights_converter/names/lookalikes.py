"""Layers that are taken for ODConv, DyConv or CondConv and compute something else.

Their arrays cannot be converted, whatever their shapes. Each is told by names that its code gives,
or by arrays that ours cannot have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from odconv_spec.choice import dynamic_kinds
from odconv_spec.evidence import Foreign, Shapes
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import MismatchError, legible


@dataclass(frozen=True)
class LookAlike:
    """A layer of others.

    Attributes:
        name: with its source.
        sign: of one of its arrays' names.
        reason: what it does otherwise.
        all_of: the rest of names that must be there as well, after the path before the sign.
        none_of: the same for names that must not.
    """

    name: str
    sign: re.Pattern[str]
    reason: str
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def examples(self, names: Collection[str]) -> Iterator[str]:
        """The arrays that show it."""
        for name in names:
            match = self.sign.fullmatch(name)
            if match and self._beside(match["path"], names):
                yield name

    def _beside(self, path: str, names: Collection[str]) -> bool:
        there = all(path + other in names for other in self.all_of)
        return there and not any(path + other in names for other in self.none_of)


def _look_alike(
    name: str, ending: str, reason: str, *all_of: str, none_of: tuple[str, ...] = ()
) -> LookAlike:
    return LookAlike(name, re.compile(rf"(?P<path>(?:.+\.)?){ending}"), reason, all_of, none_of)


LOOK_ALIKES = (
    _look_alike(
        "involution, https://github.com/d-li14/involution",
        r"conv1\.conv\.weight",
        "every pixel has a kernel of its own, computed from that pixel; none are stored",
        "conv1.bn.weight",
        "conv2.conv.weight",
        "conv2.conv.bias",
        none_of=("conv2.bn.weight",),
    ),
    _look_alike(
        "the ODConv of YOLO forks (ODConv2d_3rd)",
        r"fc_f\.weight",
        "it mixes biases by the kernel attention, scales input channels within each group, and "
        "leaves out the norm for a batch of one",
        "fc.weight",
        "bn.weight",
    ),
    _look_alike(
        "an attention of its own for each dimension, as blogs describe ODConv",
        r"(?:channel|filter|spatial|kernel)_att(?:n|ention)?\.(?:.*\.)?weight",
        "ODConv computes its four attentions from one squeezed vector, by a shared fc and norm, "
        "and weighs kernels by a softmax",
    ),
)


def refuse_lookalikes(checkpoint: Checkpoint, targets: Collection[str] = ()) -> None:
    """Raises MismatchError with the reason where the arrays are of a layer that is not ours.

    Names that the model itself has, `targets`, are those of its other layers.
    """
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    own = frozenset(targets)
    for name, reason, example in _found(shapes):
        if example in own:
            continue
        raise MismatchError(
            f"{legible(checkpoint.path.name)} holds {name}, which is not {_ours()}: {reason} "
            f"(it has {legible(example)})",
            help="such a layer cannot be converted; train the model anew with one of `odconv "
            "models`, or keep its own code",
        )


def _found(shapes: Shapes) -> Iterator[Foreign]:
    for look_alike in LOOK_ALIKES:
        for example in look_alike.examples(shapes):
            yield Foreign(look_alike.name, look_alike.reason, example)
    for kind in dynamic_kinds():
        yield from kind.foreign(shapes)


def _ours() -> str:
    """The names of the layers that can be converted."""
    *names, last = (kind.title() for kind in dynamic_kinds())
    return f"{', '.join(names)} or {last}"
