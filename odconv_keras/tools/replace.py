"""Puts dynamic convolutions in the place of a model's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from odconv_keras.layers import DynamicConv
from odconv_keras.layers.build import layer_class
from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.from_static import PLAIN, copy_function, layer_like, static_spec
from odconv_keras.tools.obstacles import Obstacles, freeze_like
from odconv_keras.tools.sublayers import Exchange, sublayers
from odconv_spec.replacing import Replaced, Replacement, choose, replacing_spec

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_CONVS = (*PLAIN, keras.layers.SeparableConv1D, keras.layers.SeparableConv2D, *_TRANSPOSED)
_NOISE = 0.1  # as in `from_static`
_MADE_IN_BUILD = (
    "the layer around it makes it in build() rather than in __init__(), so that a copy has no "
    "place for another"
)


def replace_convs(
    model: keras.layers.Layer,
    kind: str,
    where: Callable[[str, keras.layers.Layer], bool] | None = None,
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
        frozen: True also replaces convolutions whose kernel does not train. The new layers do not
            train either, until you change that.
        **options: of the layers, such as `kernel_num`.

    Returns:
        The copy, the changes, and what was left as it is and why; printed, a table.

    Raises:
        ValueError: unknown kind or option, a value out of range, a model that is not built, or
            nothing is chosen.
        NotImplementedError: a class of one's own has no `get_config`.

    Example:
        >>> layers = [keras.layers.Conv2D(8, 3, name=name) for name in ("stem", "body", "top")]
        >>> static = keras.Sequential([keras.Input((32, 32, 3)), *layers])
        >>> print(replace_convs(static, "dy", lambda path, conv: path != "top"))
        replaced   parameters          now
        stem              224          907
        body              584        2,364
        total             808        3,271
    """
    spec = replacing_spec(kind, options)
    if not model.built:
        raise ValueError(f"model: expected a built one, received {model.name!r}, which is not")
    if keep_function:
        options = {"head_init": "zero", **options}
    obstacles = Obstacles(model, frozen)
    changes, skipped = [], []
    new: dict[int, DynamicConv] = {}  # by `id` of the convolution
    chosen = choose(_static_convs(model), where, _TRANSPOSED)
    for path, conv in chosen:
        if reason := obstacles.of(conv):
            skipped.append((path, reason))
        else:
            new[id(conv)] = layer_like(layer_class(spec, conv.rank), conv, options)
    exchange = Exchange(new)
    copy = _built_copy(model, exchange)
    for path, conv in chosen:
        if id(conv) in exchange.new:
            changes.append(_completed(path, conv, new[id(conv)], keep_function))
        elif id(conv) in new:
            skipped.append((path, _MADE_IN_BUILD))
    return Replaced(copy, tuple(changes), tuple(skipped))


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


def _completed(path: str, conv: Any, layer: Any, keep_function: bool) -> Replacement:
    """Builds a new layer where the copy has not, and gives it what it takes over of `conv`."""
    before = static_spec(conv)
    if not layer.built:
        layer.build(shape_of_any_size(before.in_channels, before.rank, layer.data_format))
    freeze_like(layer, conv)
    if keep_function:
        copy_function(layer, conv, _NOISE)
    return Replacement(path, before, layer.spec)
