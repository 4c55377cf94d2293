"""Puts dynamic convolutions in the place of a network's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from math import prod
from typing import Any, NamedTuple

from paddle import nn
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers import DYNAMIC, DynamicConv
from odconv_paddle.layers.from_static import layer_like, static_spec
from odconv_paddle.tools.obstacles import Obstacles, freeze_like
from odconv_spec import ConvSpec
from odconv_spec.choice import KINDS

Where = Callable[[str, nn.Layer], bool]

_TRANSPOSED = (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose)
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

    model: nn.Layer
    changes: tuple[Replacement, ...]
    skipped: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        rows = [(c.path or "(the model)", _count(c.before), _count(c.after)) for c in self.changes]
        rows.append(("total", sum(row[1] for row in rows), sum(row[2] for row in rows)))
        width = max(len("replaced"), *(len(path) for path, _, _ in rows))
        lines = [f"{'replaced':<{width}} {'parameters':>12} {'now':>12}"]
        lines += [f"{path:<{width}} {before:>12,} {after:>12,}" for path, before, after in rows]
        return "\n".join([*lines, *(f"left: {path}: {reason}" for path, reason in self.skipped)])


class _Place(NamedTuple):
    """An attribute that holds a convolution; a lone convolution has no owner."""

    path: str
    owner: nn.Layer | None
    name: str
    conv: _ConvNd


def replace_convs(
    model: nn.Layer,
    kind: str,
    where: Where | None = None,
    keep_function: bool = True,
    frozen: bool = False,
    **options: Any,
) -> Replaced:
    """Replaces static convolutions of any network by dynamic ones, in place.

    Each new layer has the geometry, bias, dtype, device and mode of the one it replaces, and
    computes the same function until it is trained, see `from_static` of the layers. A convolution
    that is used in several places stays one layer, and those inside dynamic convolutions are left
    alone. Make the optimiser and DataParallel afterwards, because the parameters are new; code of
    yours that reads `conv.weight` sees a bank of kernels, one axis more.

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
        >>> model = paddle.vision.models.resnet18()
        >>> print(replace_convs(model, "dy", lambda path, conv: path.startswith("layer4")))
    """
    _check_options(kind, options)
    places = tuple(_places(model))
    obstacles = Obstacles(model, frozen)
    layers: dict[nn.Layer, DynamicConv] = {}
    changes, skipped = [], []
    for path, conv in _chosen(places, where):
        if reason := obstacles.of(conv):
            skipped.append((path, reason))
            continue
        before = static_spec(conv)
        layers[conv] = layer = _dynamic(conv, before.rank, kind, keep_function, options)
        freeze_like(layer, conv)
        changes.append(Replacement(path, before, layer.spec))
    for place in places:  # now that nothing can fail any more
        if place.owner is not None and place.conv in layers:
            setattr(place.owner, place.name, layers[place.conv])
    return Replaced(layers.get(model, model), tuple(changes), tuple(skipped))


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    kinds = [name for name in KINDS if name != "static"]
    if kind not in kinds:
        raise ValueError(f"kind: expected one of {kinds}, received {kind!r}")
    # A network calls its convolutions with their input only, so that no router can be shared.
    not_ours = {field.name for field in fields(ConvSpec)} | {"router"}
    known = [field.name for field in fields(KINDS[kind]) if field.name not in not_ours]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"a {kind!r} convolution has the options {known}; received {unknown}")


def _places(
    layer: nn.Layer, prefix: str = "", seen: frozenset[nn.Layer] = frozenset()
) -> Iterator[_Place]:
    """Every place of a static convolution, without those that dynamic convolutions are made of."""
    if isinstance(layer, _ConvNd):
        yield _Place("", None, "", layer)
    if isinstance(layer, DynamicConv) or layer in seen:
        return
    for name, child in layer._sub_layers.items():
        if isinstance(child, _ConvNd):
            yield _Place(prefix + name, layer, name, child)
        elif child is not None:
            yield from _places(child, f"{prefix}{name}.", seen | {layer})


def _chosen(places: Sequence[_Place], where: Where | None) -> list[tuple[str, _ConvNd]]:
    """The convolutions to replace, by their first path."""
    paths: dict[_ConvNd, str] = {}
    for place in places:
        paths.setdefault(place.conv, place.path)
    found = [(path, conv) for conv, path in paths.items()]
    if where is not None:
        chosen = [(path, conv) for path, conv in found if where(path, conv)]
    else:
        # A lone one is not kept static.
        chosen = found if "" in paths.values() else _without_first(found)
    if not chosen:
        raise ValueError(f"where: expected to choose a static convolution of {_some(found)}")
    return chosen


def _without_first(found: Sequence[tuple[str, _ConvNd]]) -> list[tuple[str, _ConvNd]]:
    """Transposed convolutions are none that the papers mean."""
    first = next((conv for _, conv in found if not isinstance(conv, _TRANSPOSED)), None)
    return [(path, conv) for path, conv in found if conv is not first]


def _some(found: Sequence[tuple[str, _ConvNd]]) -> str:
    paths = [repr(path) for path, _ in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*paths, *more]) or "the network, which has none"


def _dynamic(
    conv: _ConvNd, rank: int, kind: str, keep_function: bool, options: Mapping[str, Any]
) -> DynamicConv:
    layer_type = DYNAMIC[KINDS[kind]][rank - 1]
    if keep_function:
        return layer_type.from_static(conv, **options)
    return layer_like(layer_type, conv, options)


def _count(spec: ConvSpec) -> int:
    return sum(prod(p.shape) for p in spec.parameters() if p.role.trainable)
