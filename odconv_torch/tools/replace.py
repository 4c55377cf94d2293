"""Puts dynamic convolutions in the place of a network's static ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from odconv_spec.replacing import Replaced, Replacement, choose, replacing_spec
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.build import layer_class
from odconv_torch.layers.from_static import layer_like, plain_conv, static_spec
from odconv_torch.tools.obstacles import Obstacles, freeze_like


def replace_convs(
    model: nn.Module,
    kind: str,
    where: Callable[[str, nn.Module], bool] | None = None,
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
        frozen: True also replaces convolutions whose weight does not train. The new layers do not
            train either, until you change that.
        **options: of the layers, such as `kernel_num`.

    Returns:
        The network, the changes, and what was left as it is and why; printed, a table.

    Raises:
        ValueError: unknown kind or option, a value out of range, or nothing is chosen. The network
            is then as it was.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 1))
        >>> print(replace_convs(model, "dy", lambda path, conv: conv.kernel_size == (3, 3)))
        replaced   parameters          now
        0                 224          907
        1                 584        2,364
        total             808        3,271
    """
    spec = replacing_spec(kind, options)
    obstacles = Obstacles(model, frozen, keep_function)
    changes, skipped = [], []
    layers: dict[nn.Module, DynamicConv] = {}
    for path, conv in choose(_static_convs(model), where, _ConvTransposeNd):
        if reason := obstacles.of(conv):
            skipped.append((path, reason))
            continue
        plain = plain_conv(conv)
        before = static_spec(plain)
        layers[conv] = layer = _dynamic(
            layer_class(spec, before.rank), plain, keep_function, options
        )
        freeze_like(layer, plain)
        changes.append(Replacement(path, before, layer.spec))
    return Replaced(_exchange(model, layers), tuple(changes), tuple(skipped))


def _static_convs(module: nn.Module, path: str = "") -> Iterator[tuple[str, _ConvNd]]:
    """Paths and convolutions, without those that dynamic convolutions are made of."""
    if isinstance(module, _ConvNd):
        yield path, module
    elif not isinstance(module, DynamicConv):
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
    return model
