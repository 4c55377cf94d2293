"""Which layer of a network takes the output of which other, and nothing else does.

A network is traced by torch.fx. Where its own code cannot be traced, its children are, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from torch import nn
from torch.fx import Graph, Node, Tracer
from torch.nn.modules.batchnorm import _BatchNorm

from odconv_torch.layers import DynamicConv, Recalibration


class Pair(NamedTuple):
    """Two layers that are called once, one right after the other."""

    first: nn.Module
    second: nn.Module


def pairs(model: nn.Module) -> Iterator[Pair]:
    """The pairs of layers in `model`, in the order of their calls.

    Layers with hooks are left out, as are those that the network calls twice.

    Args:
        model: a network; its `forward` is called with placeholders.
    """
    graph = _graph(model)
    if graph is not None:
        yield from _of_graph(model, graph)
    elif not _is_leaf(model):
        for child in model.children():
            yield from pairs(child)


def is_hooked(module: nn.Module) -> bool:
    """Whether somebody watches what enters or leaves the layer, or those inside."""
    # torch has public ways to register hooks and none to ask for them.
    return any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


class _Tracer(Tracer):
    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return _is_leaf(module) or super().is_leaf_module(module, path)


def _is_leaf(module: nn.Module) -> bool:
    return isinstance(module, (DynamicConv, Recalibration, _BatchNorm))


def _graph(model: nn.Module) -> Graph | None:
    """What the network calls; None where its code depends on what the placeholders lack."""
    if _is_leaf(model):
        return None
    try:
        return _Tracer().trace(model)
    except Exception:  # whatever a user's code raises when it meets a placeholder
        return None


def _of_graph(model: nn.Module, graph: Graph) -> Iterator[Pair]:
    calls = [node for node in graph.nodes if node.op == "call_module"]
    layers = {node: model.get_submodule(str(node.target)) for node in calls}
    times = Counter(layers.values())
    for node, second in layers.items():
        before = node.args[0] if len(node.args) == 1 else None
        if not isinstance(before, Node) or before not in layers or len(before.users) > 1:
            continue
        first = layers[before]
        if times[first] == times[second] == 1 and not (is_hooked(first) or is_hooked(second)):
            yield Pair(first, second)
