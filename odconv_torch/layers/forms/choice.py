"""Chooses the form of a dynamic convolution by its shapes, unless one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Final, NamedTuple

import torch
from torch.utils.checkpoint import checkpoint

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.autocast import autocast
from odconv_torch.layers.forms.columns import known
from odconv_torch.layers.forms.compact import compact
from odconv_torch.layers.forms.cost_model import (
    AUTO,
    COMPACT,
    FIXED_BATCH,
    FORMS,
    GRAPH_FORMS,
    NATIVE,
    PORTABLE,
    Costs,
    Work,
    cheapest,
)
from odconv_torch.layers.forms.folded import folded
from odconv_torch.layers.forms.gathering import gathering
from odconv_torch.layers.forms.grouped import grouped
from odconv_torch.layers.forms.layout import laid_last, lies_last
from odconv_torch.layers.forms.measured_costs import INFERENCE, TRAINING
from odconv_torch.layers.forms.opaque import opaque
from odconv_torch.layers.forms.opaque_tiles import opaque_tiles
from odconv_torch.layers.forms.patches import patches
from odconv_torch.layers.forms.portable import portable
from odconv_torch.layers.forms.recording import exports_a_graph, records_a_graph
from odconv_torch.layers.forms.samples import samples
from odconv_torch.layers.forms.shared import shared
from odconv_torch.layers.forms.single import single
from odconv_torch.layers.forms.tiled import tiled
from odconv_torch.layers.window import Window

Form = Callable[[torch.Tensor, torch.Tensor, Attentions, Window], torch.Tensor]
FUNCTIONS: Final[Mapping[str, Form]] = {
    "grouped": grouped,
    "samples": samples,
    "shared": shared,
    "tiled": tiled,
    "patches": patches,
    "opaque": opaque,
    "opaque_tiles": opaque_tiles,
    "compact": compact,
    "portable": portable,
    "single": single,
    "folded": folded,
}
_ANY_BATCH = ("shared", "patches", COMPACT, PORTABLE)  # whose graphs hold for any batch size
_LARGE = 32  # times the map: kernels that are mixed in tiles, whatever the batch
_TRAFFIC = 1180  # operations of an H100 with bfloat16 in the time of writing and reading an element
_SHARED_ATTENTIONS = ("shared", "tiled")  # whose kernels all see the same
# A map is its own patches there, and a product takes them as they are: convolutions copy them.
POINTWISE = ("shared", "tiled", "patches")


class Strategy(NamedTuple):
    """How a layer chooses the form that computes it.

    Attributes:
        name: "auto" for what takes the least time by the constants, or a form's name.
        inference: constants without gradients.
        training: constants with gradients.
        recompute: whether to keep nothing but the arguments for the gradients, and to mix the
            kernels once more for them.
    """

    name: str = AUTO
    inference: Costs = INFERENCE
    training: Costs = TRAINING
    recompute: bool = False


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    window: Window,
    strategy: Strategy,
) -> torch.Tensor:
    """The dynamic convolution without its bias, in the form that suits; all agree to rounding."""
    x = autocast(x)
    form = FUNCTIONS[choose_form(x, weight, attentions, window, strategy)]
    if records_a_graph():  # compilers choose what they keep, and how it lies
        return form(x, weight, attentions, window)
    lies = lies_last(x)
    x = gathering(x)
    if strategy.recompute:
        y = checkpoint(
            form, x, weight, attentions, window, use_reentrant=False, preserve_rng_state=False
        )
    else:
        y = form(x, weight, attentions, window)
    return laid_last(y) if lies else y


def choose_form(
    x: torch.Tensor,
    weight: torch.Tensor,
    attentions: Attentions,
    window: Window,
    strategy: Strategy,
    device: str | None = None,
) -> str:
    """The name of the form that `convolve` takes for these arguments, a key of `FUNCTIONS`.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        attentions: of the samples.
        window: how the kernels move.
        strategy: which form is asked for.
        device: the kind of device that it would be on, by default that of `x`.

    Raises:
        ValueError: an exported graph cannot have the form that is asked for.
    """
    if exports_a_graph():
        return form_of_graph(x, strategy.name)
    own, device = attentions.one_set_per_kernel(x.dim() - 2), device or x.device.type
    spatial = attentions.spatial is not None
    if torch.compiler.is_compiling() or x.shape[0] == 0:
        if strategy.name in _ANY_BATCH and not (own and strategy.name in _SHARED_ATTENTIONS):
            return strategy.name
        return _for_any_batch(x.shape, weight.shape, own, spatial, device, window)
    trains = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    costs = strategy.training if trains else strategy.inference
    form = _form(strategy.name, x.shape, weight.shape, own, spatial, device, window, costs)
    if form == "grouped" and strategy.name in (AUTO, NATIVE) and device == "cpu" and lies_last(x):
        return "samples"  # whose maps keep their layout: as channels of one map they are copied
    return form


def form_of_graph(x: torch.Tensor, name: str) -> str:
    """The form of an exported graph, one of `GRAPH_FORMS`.

    Args:
        x: (batch, in, *map), the input while it is recorded.
        name: of the strategy.

    Raises:
        ValueError: it is the name of a form for this package, or needs a batch that is known.
    """
    if name in (AUTO, NATIVE):
        return COMPACT
    if name not in GRAPH_FORMS:
        raise ValueError(
            f"strategy: expected one of {', '.join((AUTO, *GRAPH_FORMS))} in an exported graph, "
            f"received {name!r}; ask for one of them with set_strategy(model, {COMPACT!r})"
        )
    fixed = isinstance(known(x.shape[:1])[0], int)  # a tracer sees no difference
    if name in FIXED_BATCH and not fixed:
        raise ValueError(
            f"strategy {name!r}: expected a fixed number of samples, received a dynamic batch; "
            f"export with a fixed one, or ask for {COMPACT!r}"
        )
    return name


@lru_cache(maxsize=1 << 12)  # layers meet the same shapes again and again
def _form(
    name: str,
    x: torch.Size,
    weight: torch.Size,
    own: bool,
    spatial: bool,
    device: str,
    window: Window,
    costs: Costs,
) -> str:
    possible = tuple(form for form in FORMS if not (own and form in _SHARED_ATTENTIONS))
    if name not in (AUTO, NATIVE):
        return name if name in (*possible, *GRAPH_FORMS) else "grouped"
    if weight[2] == 1 < window.groups:  # depthwise
        return "grouped"
    if device != "cpu":
        return form_of_accelerator(x, weight, own, spatial, window)
    if window.is_pointwise(weight[3:]):
        possible = tuple(form for form in possible if form in POINTWISE)
    return cheapest(possible, work_of(x, weight, spatial, window), costs)


def form_of_accelerator(
    x: torch.Size, weight: torch.Size, own: bool, spatial: bool, window: Window
) -> str:
    """By what arithmetic and memory take there, whatever the batch: an estimate, never measured.

    Making a kernel and reading it takes as long as `_TRAFFIC` operations for each element, patches
    take the same, and each position two.
    """
    kernels, out = weight[0], weight[1]
    if not own and kernels == 1 and not spatial:
        return "shared"  # a static convolution between two scaled maps
    if window.is_pointwise(weight[3:]):
        return "patches"  # the map itself, in one batched product
    positions = prod(window.output_size(x, weight[3:]))
    of_mixed = _TRAFFIC * out + 2 * positions * out
    of_all = (_TRAFFIC * positions if spatial else 0) + 2 * kernels * positions * out
    return "shared" if not own and of_all < of_mixed else "grouped"


def _for_any_batch(
    x: torch.Size, weight: torch.Size, own: bool, spatial: bool, device: str, window: Window
) -> str:
    """What suits a graph: the kernels of large maps are few beside their patches."""
    taps, kernels = weight[3:], weight[0]
    small = window.is_pointwise(taps) or prod(window.output_size(x, taps)) < weight[1]
    if torch.compiler.is_compiling() and x[0] > 0:
        if not small:
            return "opaque"
        large = prod(weight[1:]) > _LARGE * prod(x[1:])
        if device == "cpu" and kernels > 1 and not own and large:  # tiles are for its caches
            return "opaque_tiles"
    if device != "cpu" and form_of_accelerator(x, weight, own, spatial, window) == "shared":
        return "shared"
    return "shared" if kernels == 1 and not own else "patches"  # sharing one kernel is free


def work_of(x: torch.Size, weight: torch.Size, spatial: bool, window: Window) -> Work:
    """What a convolution has to do, in the terms of the model of costs.

    Args:
        x: (batch, in, *map).
        weight: (kernel_num, out, in // groups, *kernel).
        spatial: whether taps have an attention.
        window: how the kernels move.
    """
    taps = weight[3:]
    positions = prod(window.output_size(x, taps))
    return Work(
        batch=x[0],
        kernel_size=prod(weight[1:]),
        columns=0 if window.is_pointwise(taps) else x[1] * prod(taps) * positions,
        inputs=prod(x[1:]),
        outputs=weight[1] * positions,
        depth=prod(weight[2:]),
        kernel_num=weight[0],
        spatial=spatial,
    )
