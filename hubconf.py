"""The networks by the names of torch.hub: `torch.hub.load(SOURCE, "od_resnet18", num_classes=10)`.

SOURCE is a GitHub repository, or the path of a copy of it beside `source="local"`. No weights are
shipped: docs/hub.md says where published ones are. `from_pretrained` opens a hub folder.
"""

# What torch.hub lists is every name here that can be called and has no underscore in front.
from typing import Any as _Any

import odconv_torch as _odconv_torch
from odconv_torch import from_pretrained  # noqa: F401

dependencies = ["torch", "numpy"]


def _entry_point(name: str) -> _Any:
    """The function that builds a network with random weights."""

    def create(pretrained: bool = False, **options: _Any) -> _Any:
        if pretrained:
            raise ValueError(
                f"{name}: expected pretrained=False, received {pretrained!r}; no weights are "
                "shipped: docs/hub.md says where published ones are, and load_into takes them"
            )
        return _odconv_torch.create_model(name, **options)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"{name} with random weights; options as of odconv_torch.create_model."
    return create


globals().update({_name: _entry_point(_name) for _name in _odconv_torch.list_models()})
