"""Puts dynamic convolutions in the place of a model's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from odconv_keras.layers import DynamicConv, Recalibration
from odconv_keras.layers.build import layer_class
from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.layers.from_static import (
    PLAIN,
    layer_like,
    refusal,
    static_spec,
)
from odconv_keras.tools.calls import map_sizes
from odconv_keras.tools.obstacles import Obstacles, freeze_like
from odconv_keras.tools.sublayers import Exchange, sublayers
from odconv_spec.replaced import Replaced, Replacement
from odconv_spec.replacing import Place, choose, divide, replacing_spec
from odconv_spec.rules import Where

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_CONVS = (*PLAIN, keras.layers.SeparableConv1D, keras.layers.SeparableConv2D, *_TRANSPOSED)
_MADE_IN_BUILD = (
    "the layer around it makes it in build() rather than in __init__(), so that a copy has no "
    "place for another"
)


def replace_convs(
    model: keras.layers.Layer,
    kind: str,
    where: Where | Callable[[str, keras.layers.Layer], bool] | None = None,
    keep_function: bool = True,
    frozen: bool = False,
    dry_run: bool = False,
    image_size: int | Sequence[int] | None = None,
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
        kind: "od", "dy", "cond", "cgc", "weightnet", "we", "dcd", "kw", "fdconv", or that of an
            installed package.
        where: which convolutions: words such as "3x3" or "all but the stem and squeeze-excite", or
            a list of words that must all hold, see `odconv_spec.rules`; or a function of the path
            and the convolution. By default all but the first, frozen or not, which the papers keep
            static.
        keep_function: False gives fresh random kernels instead.
        frozen: True also replaces convolutions whose kernel does not train. The new layers do not
            train either, until you change that.
        dry_run: True only reports what would be done; the model of the result is the given one.
        image_size: height and width of an image, of which the report then has the multiply-adds;
            the model is called once with an image of zeros.
        **options: of the layers, such as `kernel_num`.

    Returns:
        The copy, the changes, and what was left as it is and why; printed, a table.

    Raises:
        ValueError: unknown kind, option or words, a value out of range, a model that is not built,
            or nothing is chosen, or the kind can replace nothing of it.
        NotImplementedError: a class of one's own has no `get_config`.

    Example:
        >>> layers = [keras.layers.Conv2D(8, 3, name=name) for name in ("stem", "body", "top")]
        >>> static = keras.Sequential([keras.Input((32, 32, 3)), *layers])
        >>> print(replace_convs(static, "dy", "all but name t*", dry_run=True, image_size=32))
        replaced   parameters          now  multiply-adds            now
        stem              224          907        194,400        198,343
        body              584        2,364        451,584        461,112
        total             808        3,271        645,984        659,455
    """
    spec = replacing_spec(kind, options)
    if not model.built:
        raise ValueError(f"model: expected a built one, received {model.name!r}, which is not")
    if keep_function:
        options = {**spec.static_start(), **options}
    obstacles = Obstacles(model, frozen)
    places = [_place(path, conv) for path, conv in _static_convs(model)]
    chosen = [(place, obstacles.of(place.conv)) for place in choose(places, where)]
    replaced, skipped = divide(chosen, spec, options)
    new: dict[int, DynamicConv] = {  # by `id` of the convolution
        id(place.conv): layer_like(layer_class(spec, place.conv.rank), place.conv, options)
        for place in replaced
    }
    convs = [place.conv for place in replaced]
    sizes = {} if image_size is None else map_sizes(model, convs, places[0].conv, image_size)
    exchange = Exchange(new)
    copy = _built_copy(model, exchange)
    changes = []
    for place in replaced:
        key = id(place.conv)
        if key in exchange.new:
            change = _completed(place.path, place.conv, new[key], keep_function)
            changes.append(change._replace(sizes=sizes.get(key, ())))
        else:
            skipped.append((place.path, _MADE_IN_BUILD))
    return Replaced(model if dry_run else copy, tuple(changes), tuple(skipped))


def _place(path: str, conv: Any) -> Place:
    spec = None if refusal(conv) else static_spec(conv)
    return Place(path, conv, spec, isinstance(conv, _TRANSPOSED))


def _static_convs(
    layer: keras.layers.Layer, path: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Paths and convolutions, without those that our layers are made of."""
    if isinstance(layer, _CONVS):
        yield path, layer
    elif not isinstance(layer, (DynamicConv, Recalibration)):
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
        layer.spec.check_static_start()
        layer._take_function(conv)
    return Replacement(path, before, layer.spec)
