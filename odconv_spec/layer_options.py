"""The options of a kind of layer, and which of them the user of a network chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar


class LayerOptions:
    """What the specs of convolutions and of the layers behind them have in common."""

    placed: ClassVar[frozenset[str]] = frozenset()
    """Options of its own that a backbone decides, not its user."""
    backbone_defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults in a backbone, where they are not those of the layer alone."""

    @classmethod
    def own_options(cls) -> tuple[Field[Any], ...]:
        """The options that are not those of every such layer, in their order.

        Returns:
            Fields of the dataclass.
        """
        raise NotImplementedError

    @classmethod
    def backbone_options(cls) -> dict[str, Any]:
        """Every option that the user of a backbone chooses, with its default there.

        Returns:
            Option -> default.
        """
        defaults = {f.name: f.default for f in cls.own_options() if f.name not in cls.placed}
        return {**defaults, **cls.backbone_defaults}
