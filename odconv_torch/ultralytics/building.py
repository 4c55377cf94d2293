"""Builds a network of ultralytics whose description has dynamic convolutions."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from torch import nn
from ultralytics.nn import tasks

from odconv_spec.replacing import replacing_spec
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.build import layer_class
from odconv_torch.layers.from_static import layer_like
from odconv_torch.ultralytics.rows import Row, divide

# Where a description has what no row tells: a list of [path, kind, options].
KEY: Final = "odconv"
Entry: TypeAlias = "list[Any]"
"""Path of a convolution, its kind, its options: what YAML can write."""
Parse: TypeAlias = "Callable[..., tuple[nn.Sequential, list[int]]]"


def build(
    parse: Parse, network: Mapping[str, Any], channels: int, verbose: bool
) -> tuple[nn.Sequential, list[int], list[Entry]]:
    """What `ultralytics.nn.tasks.parse_model` gives, with dynamic convolutions.

    Args:
        parse: that function, as ultralytics has it.
        network: the description, see `rows.divide`; its `KEY` may name more convolutions.
        channels: of an image.
        verbose: whether to log.

    Returns:
        The layers, the numbers of those whose outputs are kept, and the entries of the dynamic
        convolutions that the rows tell.

    Raises:
        ValueError: a row or an entry that cannot be fulfilled.
    """
    static, rows = divide(network, vars(tasks))
    layers, kept = parse(static, channels, verbose)
    others: Sequence[Entry] = network.get(KEY, ())
    taken = {path for path, _, _ in others}
    for row in rows:
        _make_dynamic(layers, row, taken)
    told = entries(layers)
    for path, kind, options in others:
        _check_place(layers, path)
        _exchange(layers, path, kind, options)
    if verbose and rows:
        tasks.LOGGER.info(f"{len(told)} dynamic convolutions, the table has the static ones:")
        tasks.LOGGER.info("; ".join(_titles(rows)))
    return layers, kept, told


def dynamic_paths(network: nn.Module) -> dict[str, DynamicConv]:
    """Path -> layer of every dynamic convolution."""
    found = network.named_modules()
    return {path: layer for path, layer in found if isinstance(layer, DynamicConv)}


def entries(layers: nn.Module) -> list[Entry]:
    """What describes the dynamic convolutions of a network's layers under `KEY`."""
    return [
        [path, layer.spec.kind, _options(layer)] for path, layer in dynamic_paths(layers).items()
    ]


def _options(layer: DynamicConv) -> dict[str, Any]:
    """Those that are not as by default; YAML has lists in the place of tuples."""
    found = {}
    for field in layer.spec.own_options():
        value = getattr(layer.spec, field.name)
        if value != field.default:
            found[field.name] = [*value] if isinstance(value, tuple) else value
    return found


def _make_dynamic(layers: nn.Sequential, row: Row, taken: Container[str]) -> None:
    """Exchanges the convolutions of one row, and what ultralytics notes of its layer."""
    layer = layers[row.number]
    for path in [path for path in _chosen(layer, row) if path not in taken]:
        try:
            _exchange(layers, path, row.kind, row.options)
        except ValueError as error:
            raise row.error(error) from error
    vars(layer).update(np=sum(p.numel() for p in layer.parameters()), type=row.module)


def _chosen(layer: nn.Module, row: Row) -> Iterator[str]:
    """Paths of all convolutions of a `Conv`; of a block those that see more than a point."""
    for path, conv in layer.named_modules(prefix=str(row.number)):
        if type(conv) is nn.Conv2d and (row.is_conv or _is_spatial(conv)):
            yield path


def _is_spatial(conv: nn.Conv2d) -> bool:
    depthwise = conv.groups == conv.in_channels > 1
    return max(conv.kernel_size) > 1 and not depthwise


def _check_place(layers: nn.Module, path: str) -> None:
    convs = [name for name, module in layers.named_modules() if type(module) is nn.Conv2d]
    if path not in convs:
        raise ValueError(
            f"{KEY}: expected paths of static convolutions such as {convs[0]!r}, received "
            f"{path!r}; a fused network has others: train from a checkpoint that is not fused"
        )


def _exchange(layers: nn.Module, path: str, kind: str, options: Mapping[str, Any]) -> None:
    """Puts a new dynamic convolution with random weights in the place of a static one."""
    spec = replacing_spec(kind, options)
    conv = layers.get_submodule(path)
    parent, _, name = path.rpartition(".")
    setattr(layers.get_submodule(parent), name, layer_like(layer_class(spec, 2), conv, options))


def _titles(rows: Sequence[Row]) -> Iterator[str]:
    """Modules with their options, and the rows that have them."""
    numbers: dict[str, list[str]] = {}
    for row in rows:
        options = ", ".join(f"{name}={value}" for name, value in row.options.items())
        numbers.setdefault(f"{row.module}({options})", []).append(str(row.number))
    for title, found in numbers.items():
        yield f"{title} in {', '.join(found)}"
