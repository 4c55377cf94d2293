"""torch.fx sees each layer as one call, as it sees the layers of torch.nn.

What a layer does depends on shapes, which a tracer does not know, and code that works on graphs
(feature extractors, quantisation) looks for layers, not for what they are made of. A tracer takes
modules of torch.nn for leaves by the name of their package. Others would need a tracer of their
own, or, as here, put the call into the graph themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from torch import nn
from torch.fx import Proxy

Forward = TypeVar("Forward", bound=Callable[..., Any])


def leaf(forward: Forward) -> Forward:
    """Makes the module of this `forward` a leaf of every graph that torch.fx records.

    Raises:
        ValueError: when traced, the module is the whole of what is traced.
    """

    @wraps(forward)
    def run(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(value, Proxy):
                path = _path(value.tracer, self)
                # Parameters of the network that the module reads and does not hold: a graph keeps
                # those of what it calls alone. A tracer gives a node for each that is read.
                args = (*args, *getattr(self, "borrowed", ()))
                return value.tracer.create_proxy("call_module", path, args, kwargs)
        return forward(self, *args, **kwargs)

    return run  # type: ignore[return-value]  # it takes the same arguments


def _path(tracer: Any, module: nn.Module) -> str:
    path: str = tracer.path_of_module(module)
    if not path:
        name = type(module).__name__
        raise ValueError(
            f"{name}: expected a network around it, received the layer alone; to torch.fx it is "
            f"one call of a graph, so trace torch.nn.Sequential(layer)"
        )
    return path
