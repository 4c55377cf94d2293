"""Puts dynamic convolutions in the place of a network's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from math import prod
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd

from odconv_spec import ConvSpec
from odconv_spec.choice import KINDS
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.build import DYNAMIC
from odconv_torch.layers.from_static import layer_like, plain_conv, static_spec
from odconv_torch.tools.obstacles import Obstacles, freeze_like

Where = Callable[[str, nn.Module], bool]
Found = Sequence[tuple[str, _ConvNd]]

_SHOWN = 8  # paths in an error message


class Replacement(NamedTuple):
    """One layer: where it is, what it was and what it is."""

    path: str
    before: ConvSpec
    after: ConvSpec


class Replaced(NamedTuple):
    """A network and what `replace_convs` did to it; as text, a table.

    `skipped` has the path of each convolution that was chosen but is left as it is, and why: one
    that does not train, computes in its own way, or is known to something that would lose it.
    """

    model: nn.Module
    changes: tuple[Replacement, ...]
    skipped: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        rows = [(c.path or "(the model)", _count(c.before), _count(c.after)) for c in self.changes]
        rows.append(("total", sum(row[1] for row in rows), sum(row[2] for row in rows)))
        width = max(len("replaced"), *(len(path) for path, _, _ in rows))
        lines = [f"{'replaced':<{width}} {'parameters':>12} {'now':>12}"]
        lines += [f"{path:<{width}} {before:>12,} {after:>12,}" for path, before, after in rows]
        return "\n".join([*lines, *(f"left: {path}: {reason}" for path, reason in self.skipped)])


def replace_convs(
    model: nn.Module,
    kind: str,
    where: Where | None = None,
    keep_function: bool = True,
    frozen: bool = False,
    **options: Any,
) -> Replaced:
    """Replaces static convolutions of any network by dynamic ones, in place.

    Each new layer has the geometry, bias, dtype and device of the one it replaces, and computes the
    same function until it is trained, see `from_static` of the layers. A convolution that is used
    in several places stays one layer, and those inside dynamic convolutions are left alone. Make
    the optimiser and wrappers such as DistributedDataParallel afterwards, because the parameters
    are new; code of yours that reads `conv.weight` sees a bank of kernels, one axis more.

    Args:
        model: the network. Of a lone convolution the result has the new layer.
        kind: "od", "dy" or "cond".
        where: called with the path and the convolution, says whether to replace it. By default all
            but the first, frozen or not, which the papers keep static.
        keep_function: False gives fresh random kernels instead.
        frozen: True also replaces convolutions whose weight does not train. What takes their place
            does not train either, until you say so.
        **options: of the layers, such as `kernel_num`.

    Raises:
        ValueError: unknown kind or option, a value out of range, or nothing is chosen. The network
            is then as it was.

    Example:
        >>> print(replace_convs(model, "dy", lambda path, conv: "layer4" in path))
    """
    _check_options(kind, options)
    obstacles = Obstacles(model, frozen, keep_function)
    skipped: list[tuple[str, str]] = []
    changes: list[Replacement] = []
    layers: dict[nn.Module, DynamicConv] = {}
    for path, conv in _chosen(model, where):
        if reason := obstacles.of(conv):
            skipped.append((path, reason))
            continue
        layers[conv] = layer = _dynamic(plain_conv(conv), kind, keep_function, options)
        freeze_like(layer, plain_conv(conv))
        changes.append(Replacement(path, static_spec(plain_conv(conv)), layer.spec))
    return Replaced(_exchange(model, layers), tuple(changes), tuple(skipped))


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    kinds = [name for name in KINDS if name != "static"]
    if kind not in kinds:
        raise ValueError(f"kind: expected one of {kinds}, received {kind!r}")
    # The network calls its convolutions with their input only, so no router can be shared.
    not_ours = {field.name for field in fields(ConvSpec)} | {"router"}
    known = [f.name for f in fields(KINDS[kind]) if f.name not in not_ours]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"a {kind!r} convolution has the options {known}; received {unknown}")


def _chosen(model: nn.Module, where: Where | None) -> Found:
    first: dict[_ConvNd, str] = {}  # a convolution in two places goes by its first path
    for path, conv in _static_convs(model):
        first.setdefault(conv, path)
    found = [(path, conv) for conv, path in first.items()]
    if where is None:
        chosen = found if isinstance(model, _ConvNd) else _without_first(found)
    else:
        chosen = [(path, conv) for path, conv in found if where(path, conv)]
    if not chosen:
        raise ValueError(f"where: expected to choose a static convolution of {_some(found)}")
    return chosen


def _without_first(found: Found) -> Found:
    """Transposed convolutions are none that the papers mean."""
    first = next((conv for _, conv in found if not conv.transposed), None)
    return [(path, conv) for path, conv in found if conv is not first]


def _some(found: Found) -> str:
    paths = [repr(path) for path, _ in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*paths, *more]) or "the network, which has none"


def _static_convs(module: nn.Module, path: str = "") -> Iterator[tuple[str, _ConvNd]]:
    """Paths and convolutions, without those that dynamic convolutions are made of."""
    if isinstance(module, _ConvNd):
        yield path, module
    elif not isinstance(module, DynamicConv):
        for name, child in module.named_children():
            yield from _static_convs(child, f"{path}.{name}" if path else name)


def _dynamic(
    conv: nn.Conv1d | nn.Conv2d | nn.Conv3d,
    kind: str,
    keep_function: bool,
    options: Mapping[str, Any],
) -> DynamicConv:
    layer = DYNAMIC[KINDS[kind]][len(conv.kernel_size) - 1]
    if keep_function:
        return layer.from_static(conv, **options)
    return layer_like(layer, conv, options)


def _exchange(model: nn.Module, layers: Mapping[nn.Module, DynamicConv]) -> nn.Module:
    """Puts each layer in all places of the convolution that it replaces."""
    if model in layers:
        return layers[model]
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if module in layers:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, layers[module])
    return model


def _count(spec: ConvSpec) -> int:
    return sum(prod(p.shape) for p in spec.parameters() if p.role.trainable)
