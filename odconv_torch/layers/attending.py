"""What attentions share in inference: one compiled operation, where somebody has asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._C import _functorch  # torch has no public way to ask for a transform of torch.func

from odconv_torch.layers.forms.native import infers


class Attending(nn.Module):
    """A module that looks at a map and gives a few numbers for each sample.

    Attributes:
        native: whether it takes the compiled operation where that is loaded; see `set_strategy`.
    """

    native = False


Linear = tuple[torch.Tensor, torch.Tensor | None]  # weight (out, in, *ones) and bias (out,)


class Heads(NamedTuple):
    """How the outputs of layers are divided.

    Attributes:
        names: of the heads, in their order.
        widths: outputs of each.
        together: of each, how many logits a softmax is over; 0 for a sigmoid of each.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    together: tuple[int, ...]


def linear_of(layer: nn.Module) -> Linear:
    """The weight and bias of a layer, without the time of looking attributes of a module up."""
    own: Any = layer._parameters
    if "weight" in own and "bias" in own:
        return own["weight"], own["bias"]
    return layer.weight, layer.bias  # type: ignore[return-value]  # such as parametrised ones


def statistics_of(norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The running mean and variance of a batch norm, found in the same way."""
    own: Any = norm._buffers
    return own["running_mean"], own["running_var"]


def attended(
    x: torch.Tensor,
    squeeze: Linear | None,
    norm: Any,
    layers: Iterable[Linear],
    heads: Heads,
    temperature: torch.Tensor | None = None,
) -> list[torch.Tensor] | None:
    """The outputs of all heads in one operation, or None where it is not for this call.

    Args:
        x: (batch, in, *map).
        squeeze: the layer on the means, or None: the heads see the means then.
        norm: a batch norm behind it, or None; a ReLU follows.
        layers: what makes the logits, in the order of the heads.
        heads: how the logits are divided.
        temperature: what divides the logits.

    Returns:
        For each head (batch, width).
    """
    weight, offset = squeeze or (None, None)
    arrays = [] if norm is None else [*statistics_of(norm), *linear_of(norm)]
    weights, biases = zip(*layers, strict=True)
    given = (x, weight, offset, *arrays, *weights, *biases, temperature)
    if not infers(given) or not x.numel() or _functorch.peek_interpreter_stack() is not None:
        return None
    eps = 0.0 if norm is None else norm.eps
    found: list[torch.Tensor] = torch.ops.odconv.attend.default(
        *(x, weight, offset, arrays, eps, weights, biases),
        *(heads.widths, heads.together, temperature),
    )
    return found
