"""Puts dynamic convolutions in the place of a network's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from odconv_spec.replaced import Replaced, Replacement
from odconv_spec.replacing import Place, choose, divide, replacing_spec
from odconv_spec.rules import Where
from odconv_torch.layers import DynamicConv, Recalibration
from odconv_torch.layers.build import layer_class
from odconv_torch.layers.from_static import layer_like, plain_conv, static_spec
from odconv_torch.tools.calls import map_sizes
from odconv_torch.tools.obstacles import Obstacles, freeze_like
from odconv_torch.tools.rebuilt import check_replaced, keep_in


def replace_convs(
    model: nn.Module,
    kind: str,
    where: Where | Callable[[str, nn.Module], bool] | None = None,
    keep_function: bool = True,
    frozen: bool = False,
    dry_run: bool = False,
    image_size: int | Sequence[int] | None = None,
    **options: Any,
) -> Replaced:
    """Replaces static convolutions of any network by dynamic ones, in place.

    Each new layer has the geometry, bias, dtype and device of the one it replaces, and computes the
    same function until it is trained, see `from_static` of the layers. A convolution that is used
    in several places stays one layer, and those inside dynamic convolutions are left alone. Make
    the optimiser and wrappers such as DistributedDataParallel afterwards, because the parameters
    are new; code of yours that reads `conv.weight` sees a bank of kernels, one axis more. A network
    of ultralytics keeps its new layers when it is trained, see `odconv_torch.ultralytics.keep`.

    Args:
        model: the network. Of a lone convolution the result has the new layer.
        kind: "od", "dy", "cond", "cgc", "weightnet", "we", "dcd", "kw", "fdconv", or that of an
            installed package.
        where: which convolutions: words such as "3x3" or "all but the stem and squeeze-excite", or
            a list of words that must all hold, see `odconv_spec.rules`; or a function of the path
            and the convolution. By default all but the first, frozen or not, which the papers keep
            static.
        keep_function: False gives fresh random kernels instead.
        frozen: True also replaces convolutions whose weight does not train. The new layers do not
            train either, until you change that.
        dry_run: True only reports what would be done, and leaves the network as it is.
        image_size: height and width of an image, of which the report then has the multiply-adds;
            the network is called once with an image of zeros.
        **options: of the layers, such as `kernel_num`.

    Returns:
        The network, the changes, and what was left as it is and why; printed, a table.

    Raises:
        ValueError: unknown kind, option or words, a value out of range, or nothing is chosen, or
            the kind can replace nothing of it. The network is then as it was.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 1))
        >>> print(replace_convs(model, "dy", "3x3", dry_run=True, image_size=(12, 10)))
        replaced   parameters          now  multiply-adds            now
        0                 224          907         17,280         18,511
        1                 584        2,364         27,648         30,616
        total             808        3,271         44,928         49,127
    """
    spec = replacing_spec(kind, options)
    obstacles = Obstacles(model, frozen, keep_function)
    places = [_place(path, conv) for path, conv in _static_convs(model)]
    chosen = [(place, obstacles.of(place.conv)) for place in choose(places, where)]
    replaced, skipped = divide(chosen, spec, options)
    check_replaced(model, len(replaced), skipped)
    found = []
    layers: dict[nn.Module, DynamicConv] = {}
    for place in replaced:
        plain = plain_conv(place.conv)
        before = static_spec(plain)
        layers[plain] = layer = _dynamic(
            layer_class(spec, before.rank), plain, keep_function, options
        )
        freeze_like(layer, plain)
        found.append((place, before, layer))
    sizes = {} if image_size is None else map_sizes(model, layers, places[0].conv, image_size)
    changes = tuple(
        Replacement(place.path, before, layer.spec, sizes.get(place.conv, ()))
        for place, before, layer in found
    )
    return Replaced(model if dry_run else _exchange(model, layers), changes, tuple(skipped))


def _place(path: str, conv: _ConvNd) -> Place:
    try:
        spec = static_spec(plain_conv(conv))
    except ValueError:
        spec = None
    return Place(path, conv, spec, isinstance(conv, _ConvTransposeNd))


def _static_convs(module: nn.Module, path: str = "") -> Iterator[tuple[str, _ConvNd]]:
    """Paths and convolutions, without those that our layers are made of."""
    if isinstance(module, _ConvNd):
        yield path, module
    elif not isinstance(module, (DynamicConv, Recalibration)):
        for name, child in module.named_children():
            yield from _static_convs(child, f"{path}.{name}" if path else name)


def _dynamic(
    layer: type[DynamicConv], conv: nn.Module, keep_function: bool, options: Mapping[str, Any]
) -> DynamicConv:
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
    keep_in(model)
    return model
