"""Attentions of fixed arrays: a mean, two products, and the activations.

The batch norm and the temperature are in the arrays, and the heads are one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import torch
from torch import nn

from odconv_spec import ODConvSpec
from odconv_torch.layers import KernelBank
from odconv_torch.layers.attending import Attending, Linear, attended
from odconv_torch.layers.attention import HEADS, ODAttention, heads_of, shaped, shapes_of
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.dy_attention import DyAttention
from odconv_torch.layers.dy_attention import heads_of as dy_heads_of
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.pointwise import Pointwise
from odconv_torch.layers.temperature import Tempered, softmax
from odconv_torch.tools.fuse import scale_and_shift
from odconv_torch.tools.inference.chains import is_hooked

_CHANNEL, _FILTER, _SPATIAL, _KERNEL = range(len(HEADS))
_WIDE = (torch.float32, torch.float64)  # in which no sum of a map is too large
Arrays = Mapping[str, Any]
Product = tuple[torch.Tensor, torch.Tensor]  # weight (out, in) and bias (out,), in float64


class FixedODAttention(Attending):
    """`ODAttention` at its present temperature.

    Takes maps (batch, in, *map) and returns `Attentions`.

    Args:
        attention: the layer that it computes the same as; it is left as it is.
    """

    def __init__(self, attention: ODAttention) -> None:
        super().__init__()
        spec = self.spec = attention.spec
        heads = [getattr(attention, name) for name in HEADS]
        present = [head for head in heads if head is not None]
        like = attention.fc.weight
        _keep(self, "squeeze", _normed(_arrays(attention.fc), attention.bn), like)
        _keep(self, "heads", _over(_stacked(present), attention), like)
        self.ln = attention.ln
        self._widths = [head.out_channels for head in present]
        gates = [(place, shape) for place, shape in _shapes(spec).items() if heads[place]]
        self._gates = [(place, part, shape) for part, (place, shape) in enumerate(gates)]
        self._kernels = 0 if heads[_KERNEL] is None else spec.kernel_num
        self._softmax_of_taps = spec.spatial_activation == "softmax" and heads[_SPATIAL] is not None
        names = [name for name, head in zip(HEADS, heads, strict=True) if head is not None]
        self._heads, self._shapes = heads_of(spec, names, self._widths), shapes_of(spec)
        self.native = attention.native

    def forward(self, x: torch.Tensor) -> Attentions:
        if self.native and self.ln is None:
            compiled = self._compiled(x)
            if compiled is not None:
                return compiled
        hidden = squeezed(x, self._buffers)
        if self.ln is not None:
            hidden = self.ln(hidden)
        logits = excited(hidden, self._buffers)
        parts = torch.sigmoid(logits).split_with_sizes(self._widths, 1)
        found: list[torch.Tensor | None] = [None] * len(HEADS)
        for place, part, shape in self._gates:
            found[place] = parts[part].view(shape)
        if self._kernels:
            found[_KERNEL] = softmax(logits[:, -self._kernels :])
        if self._softmax_of_taps:
            found[_SPATIAL] = self._over_taps(logits)
        return Attentions(*found)

    def _compiled(self, x: torch.Tensor) -> Attentions | None:
        """The same in one operation, or None where it is not for this call."""
        parts = attended(x, *_layers(self._buffers), self._heads)
        return None if parts is None else shaped(parts, self._heads.names, self._shapes)

    def _over_taps(self, logits: torch.Tensor) -> torch.Tensor:
        _, part, shape = self._gates[-1]
        taps = logits.split_with_sizes(self._widths, 1)[part]
        return softmax(taps.unflatten(1, (-1, prod(self.spec.kernel)))).view(shape)


class FixedDyAttention(Attending):
    """`DyAttention` at its present temperature: maps (batch, in, *map) to (batch, kernel_num).

    Args:
        attention: the layer that it computes the same as; it is left as it is.
    """

    def __init__(self, attention: DyAttention) -> None:
        super().__init__()
        self.spec = attention.spec
        like = attention.fc1.weight
        _keep(self, "squeeze", _arrays(attention.fc1), like)
        _keep(self, "heads", _over(_arrays(attention.fc2), attention), like)
        self._heads = dy_heads_of(attention.spec)
        self.native = attention.native

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = attended(x, *_layers(self._buffers), self._heads) if self.native else None
        if parts is not None:
            return parts[0]
        return softmax(excited(squeezed(x, self._buffers), self._buffers))


def squeezed(x: torch.Tensor, arrays: Arrays) -> torch.Tensor:
    """The first product on the mean of the map, (batch, hidden)."""
    axes, weight, bias = tuple(range(2, x.dim())), arrays["squeeze_weight"], arrays["squeeze_bias"]
    if records_a_graph() or x.dtype not in _WIDE:
        return torch.addmm(bias, x.mean(axes), weight.t())
    # A mean is a sum and a division, which the product does on the way.
    return torch.addmm(bias, x.sum(axes), weight.t(), alpha=1 / prod(x.shape[2:]))


def excited(hidden: torch.Tensor, arrays: Arrays) -> torch.Tensor:
    """The logits of all heads, (batch, their channels)."""
    return torch.addmm(arrays["heads_bias"], torch.relu(hidden), arrays["heads_weight"].t())


def _layers(arrays: Arrays) -> tuple[Linear, None, tuple[Linear]]:
    """The first layer, no norm, and that of all heads, as `attended` takes them."""
    heads = arrays["heads_weight"], arrays["heads_bias"]
    return (arrays["squeeze_weight"], arrays["squeeze_bias"]), None, (heads,)


FIXED = {ODAttention: FixedODAttention, DyAttention: FixedDyAttention}


def fix_attentions(model: nn.Module) -> nn.Module:
    """Exchanges the attentions in `model` for those of fixed arrays, in place.

    Those with hooks, of parts of the user's own, or of another kind stay as they are.

    Args:
        model: a network in evaluation mode, or a layer.

    Returns:
        `model`.

    Example:
        >>> layer = fix_attentions(ODConv2d(16, 8, 3).eval())
        >>> type(layer.attention).__name__
        'FixedODAttention'
    """
    for layer in model.modules():
        if isinstance(layer, KernelBank):
            name = layer.spec.mixer
            mixer = getattr(layer, name)
            if mixer is not None and not is_hooked(mixer):
                setattr(layer, name, fixed(mixer))
    return model


def fixed(attention: nn.Module) -> nn.Module:
    """An attention of fixed arrays; the layer itself if it has none, or is made of other parts."""
    parts = [part for part in attention.modules() if isinstance(part, Pointwise)]
    changed = any(type(part) is not Pointwise or "forward" in vars(part) for part in parts)
    if type(attention) not in FIXED or changed:
        return attention
    try:
        return FIXED[type(attention)](attention).eval()
    except ValueError:  # a norm that is no batch norm, or has no running statistics
        return attention


def _shapes(spec: ODConvSpec) -> dict[int, tuple[int, ...]]:
    """Of the attentions of all samples that scale maps and taps, by their place in `HEADS`."""
    copies = () if spec.attention_sharing else (spec.copies,)
    ones = (1,) * spec.rank
    return {
        _CHANNEL: (-1, *copies, spec.in_channels, *ones),
        _FILTER: (-1, *copies, spec.out_channels, *ones),
        _SPATIAL: (-1, *copies, 1, 1, *spec.kernel),
    }


def _arrays(layer: Pointwise) -> Product:
    weight = layer.weight.detach().flatten(1).double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
    return weight, bias


def _normed(arrays: Product, norm: nn.Module | None) -> Product:
    """With the batch norm behind the product."""
    if norm is None:
        return arrays
    scale, shift = (values.double() for values in scale_and_shift(norm))
    return arrays[0] * scale[:, None], arrays[1] * scale + shift


def _stacked(layers: Iterable[Pointwise]) -> Product:
    weights, biases = zip(*map(_arrays, layers), strict=True)
    return torch.cat(weights), torch.cat(biases)


def _over(arrays: Product, attention: Tempered) -> Product:
    """Over the temperature of the attention."""
    temperature = float(attention.temperature)
    return arrays[0] / temperature, arrays[1] / temperature


def _keep(layer: nn.Module, name: str, arrays: Product, like: torch.Tensor) -> None:
    weight, bias = (array.to(like.dtype) for array in arrays)
    layer.register_buffer(f"{name}_weight", weight)  # (out, in)
    layer.register_buffer(f"{name}_bias", bias)
