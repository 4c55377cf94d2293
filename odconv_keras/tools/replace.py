"""Puts dynamic convolutions in the place of a model's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras

from odconv_keras.layers import DynamicConv
from odconv_keras.layers.build import DYNAMIC
from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.from_static import PLAIN, copy_function, layer_like, static_spec
from odconv_keras.tools.obstacles import Obstacles, freeze
from odconv_keras.tools.sublayers import Exchange, sublayers
from odconv_spec import ConvSpec
from odconv_spec.choice import KINDS

Where = Callable[[str, keras.layers.Layer], bool]
Found = Sequence[tuple[str, keras.layers.Layer]]

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_CONVS = (
    *PLAIN,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    *_TRANSPOSED,
)
_NOISE = 0.1  # as in `from_static`
_SHOWN = 8  # paths in an error message
_MADE_IN_BUILD = (
    "the layer around it makes it in build() rather than in __init__(), so that a copy has no "
    "place for another"
)


class Replacement(NamedTuple):
    """One layer: where it is, what it was and what it is."""

    path: str
    before: ConvSpec
    after: ConvSpec


class Replaced(NamedTuple):
    """A model and what `replace_convs` exchanged in it; as text, a table.

    `skipped` has the path of each convolution that was chosen but is left as it is, and why: one
    that does not train, computes in its own way, or is known to something that would lose it.
    """

    model: keras.layers.Layer
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
    model: keras.layers.Layer,
    kind: str,
    where: Where | None = None,
    keep_function: bool = True,
    frozen: bool = False,
    **options: Any,
) -> Replaced:
    """A copy of a model with dynamic convolutions in the place of static ones.

    Each new layer has the geometry, bias, activation, name and dtype of the one it replaces, and
    computes the same function until it is trained, see `from_static` of the layers. `Conv1D`,
    `Conv2D`, `Conv3D` and depthwise convolutions are replaced; those inside dynamic convolutions
    are left alone. `model` stays as it is. Code of yours that reads `conv.kernel` sees a bank of
    kernels, one axis more.

    Functional and sequential models can be saved and loaded as before. A model or layer of a class
    of its own is made again from its config and must make its layers in `__init__`; its config
    still describes the static layers, so save its weights only.

    Args:
        model: a built model or layer. Of a lone convolution the result has the new layer.
        kind: "od", "dy" or "cond".
        where: called with the path and the convolution, says whether to replace it. By default all
            but the first, frozen or not, which the papers keep static.
        keep_function: False gives fresh random kernels instead.
        frozen: True also replaces convolutions whose kernel does not train. What takes their place
            does not train either, until you say so.
        **options: of the layers, such as `kernel_num`.

    Raises:
        ValueError: unknown kind or option, a value out of range, a model that is not built, or
            nothing is chosen.
        NotImplementedError: a class of one's own has no `get_config`.

    Example:
        >>> static = keras.applications.ResNet50(weights=None)
        >>> model, changes, skipped = replace_convs(static, "dy", lambda path, _: "conv5" in path)
    """
    _check_options(kind, options)
    if not model.built:
        raise ValueError(f"model: expected a built one, received {model.name!r}, which is not")
    if keep_function:
        options = {"head_init": "zero", **options}
    obstacles = Obstacles(model, frozen)
    skipped: list[tuple[str, str]] = []
    made: list[tuple[str, Any, DynamicConv]] = []
    for path, conv in _chosen(model, where):
        if reason := obstacles.of(conv):
            skipped.append((path, reason))
        else:
            layer = layer_like(DYNAMIC[KINDS[kind]][conv.rank - 1], conv, options)
            made.append((path, conv, layer))
    exchange = Exchange({id(conv): layer for _, conv, layer in made})
    copy = _built_copy(model, exchange)
    changes = []
    for path, conv, layer in made:
        if id(conv) not in exchange.new:
            skipped.append((path, _MADE_IN_BUILD))
            continue
        _build(layer, static_spec(conv))
        if not (conv.trainable and conv.kernel.trainable):
            freeze(layer)
        if keep_function:
            copy_function(layer, conv, _NOISE)
        changes.append(Replacement(path, static_spec(conv), layer.spec))
    return Replaced(copy, tuple(changes), tuple(skipped))


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    kinds = [name for name in KINDS if name != "static"]
    if kind not in kinds:
        raise ValueError(f"kind: expected one of {kinds}, received {kind!r}")
    # The model calls its convolutions with their input only, so no router can be shared.
    known = [name for name in DYNAMIC[KINDS[kind]][0].option_names() if name != "router"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"a {kind!r} convolution has the options {known}; received {unknown}")


def _chosen(model: keras.layers.Layer, where: Where | None) -> Found:
    first: dict[int, tuple[str, keras.layers.Layer]] = {}  # one in two places has its first path
    for path, conv in _static_convs(model):
        first.setdefault(id(conv), (path, conv))
    found = list(first.values())
    if where is None:
        chosen = found if isinstance(model, _CONVS) else _without_first(found)
    else:
        chosen = [(path, conv) for path, conv in found if where(path, conv)]
    if not chosen:
        raise ValueError(f"where: expected to choose a static convolution of {_some(found)}")
    return chosen


def _without_first(found: Found) -> Found:
    """Transposed convolutions are none that the papers mean."""
    first = next((conv for _, conv in found if not isinstance(conv, _TRANSPOSED)), None)
    return [(path, conv) for path, conv in found if conv is not first]


def _some(found: Found) -> str:
    paths = [repr(path) for path, _ in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*paths, *more]) or "the model, which has none"


def _static_convs(
    layer: keras.layers.Layer, path: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Paths and convolutions, without those that dynamic convolutions are made of."""
    if isinstance(layer, _CONVS):
        yield path, layer
    elif not isinstance(layer, DynamicConv):
        for name, child in sublayers(layer):
            yield from _static_convs(child, f"{path}.{name}" if path else name)


def _built_copy(model: keras.layers.Layer, exchange: Exchange) -> keras.layers.Layer:
    copy = exchange.copy(model)
    if not copy.built and id(model) not in exchange.new:
        copy.build_from_config(model.get_build_config())
    exchange.copy_values(model, copy)
    return copy


def _build(layer: DynamicConv, spec: ConvSpec) -> None:
    if not layer.built:
        layer.build(shape_of_any_size(spec.in_channels, spec.rank, layer.data_format))


def _count(spec: ConvSpec) -> int:
    return sum(prod(p.shape) for p in spec.parameters() if p.role.trainable)
