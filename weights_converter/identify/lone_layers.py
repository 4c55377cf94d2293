"""Which options a lone dynamic layer has, inferred from its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from odconv_spec import CondConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec
from weights_converter.errors import MismatchError
from weights_converter.identify.convolutions import dimension, infer_conv, possible_options

Shapes = Mapping[str, tuple[int, ...]]
_SPECS: Final[Mapping[str, type[DynamicConvSpec]]] = {
    "od": ODConvSpec,
    "dy": DyConvSpec,
    "cond": CondConvSpec,
}
# The array that has the channels of the layer's input on its second axis.
_SQUEEZES: Final = {
    "od": "attention.fc.weight",
    "dy": "attention.fc1.weight",
    "cond": "routing.weight",
}
_BANK_AXES = 3  # kernels, output channels, input channels of a group


def infer_layer(shapes: Shapes) -> DynamicConvSpec | None:
    """The spec of the layer whose arrays have these names and shapes, None if they are of no layer.

    Strides, padding and dilation leave no trace in arrays.

    Raises:
        MismatchError: it is a layer, and its arrays contradict each other.
    """
    if len(shapes.get("weight", ())) <= _BANK_AXES:
        return None
    conv = infer_conv({f"layer.{name}": shape for name, shape in shapes.items()})
    if conv.kind == "static":
        return None
    _, out, in_group, *taps = shapes["weight"]
    channels = dimension(shapes, _SQUEEZES[conv.kind], 1)
    if in_group == 0 or channels % in_group:
        raise MismatchError(
            f"weight {shapes['weight']} has {in_group} input channels in a group, but "
            f"{_SQUEEZES[conv.kind]} {shapes[_SQUEEZES[conv.kind]]} reads {channels}"
        )
    with possible_options("layer"):
        return _SPECS[conv.kind](
            in_channels=channels,
            out_channels=out,
            kernel_size=tuple(taps),
            groups=channels // in_group,
            bias="bias" in shapes,
            rank=len(taps),
            **dict(conv.options),
        )
