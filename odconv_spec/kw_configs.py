"""The published configurations of KernelWarehouse, by name: ratios, and who shares a warehouse.

https://github.com/OSVAI/KernelWarehouse/tree/main/configs has 1/4x to 4x of ResNet-18, 1/2x to 4x
of ResNet-50, and 1/2x, 1x and 4x of MobileNetV2. Any other whole number, and in a ResNet one over
it, makes a name as well.
"""

from __future__ import annotations

import re
from typing import Any, Final

from odconv_spec.site import Site

DEFAULT: Final = "kw1x"
INVERTED: Final = "mobilenetv2"
"""The family whose stem and depthwise convolutions have warehouses, too."""
_HALF = "kw1d2x"
_LAST_GROUP = 5  # of its stages: the seventh takes cells with the sixth
_NAME = re.compile(r"kw(?:1d)?([1-9]\d?)x")


def cell_ratio(config: str) -> float:
    """Cells over mixtures. Raises ValueError for a name that is none.

    Example:
        >>> cell_ratio("kw4x"), cell_ratio("kw1d2x")
        (4.0, 0.5)
    """
    match = _NAME.fullmatch(config) if isinstance(config, str) else None
    if match is None:
        raise ValueError(
            "config: expected the name of a configuration, such as 'kw1d4x', 'kw1d2x', 'kw1x', "
            f"'kw2x' or 'kw4x', received {config!r}"
        )
    number = float(match[1])
    return 1 / number if config.startswith("kw1d") else number


def options_at(config: str, site: Site) -> dict[str, Any] | None:
    """Options of the layer at a place of a backbone, but for its cells; None for a static one.

    Where there are fewer cells than mixtures they have half of the channels, and bottlenecks weigh
    the cells of other layers through a basis.

    Raises:
        ValueError: a MobileNetV2 with fewer cells than mixtures, but for half as many.
    """
    ratio = cell_ratio(config)
    fewer = ratio < 1
    if fewer and site.family == INVERTED:
        return _options_of_half(config, site)
    if site.part == "head":
        return None
    return {
        "cell_num_ratio": ratio,
        "cell_inplane_ratio": 0.5 if fewer else 1.0,
        "cell_outplane_ratio": 0.5 if fewer else 1.0,
        "nonlocal_basis_ratio": 0.0625 if fewer and site.block == "bottleneck" else 1.0,
    }


def _options_of_half(config: str, site: Site) -> dict[str, Any] | None:
    """Those of a MobileNetV2 of 1/2x: pointwise layers of the first stages are static in it.

    Stem and depthwise convolutions have a cell for each mixture.
    """
    if config != _HALF:
        raise ValueError(
            f"config: expected {_HALF!r}, 'kw1x', 'kw2x' and so on in a {INVERTED}, received "
            f"{config!r}"
        )
    common = {"reduction": 0.03125}
    if site.part == "head":
        return {**common, "cell_num_ratio": 0.5, "cell_inplane_ratio": 0.025}
    if site.part == "stem" or _role(site) == "depthwise":
        return common
    if _group(site) < _LAST_GROUP:
        return None
    ratios = ("cell_num_ratio", "cell_inplane_ratio", "cell_outplane_ratio")
    return {**common, **dict.fromkeys(ratios, 0.5)}


def warehouse_at(config: str, site: Site) -> str:
    """The name of the warehouse from which the layer at a place takes cells.

    What begins a stage takes those of the stage before, whose widths it has: in a ResNet the first
    convolution and the shortcut, in a MobileNetV2 the first block.
    """
    if site.family == INVERTED:
        return _warehouse_of_inverted(config, site)
    begins = site.part == "shortcut" or (site.within == 0 and site.place == 0)
    return f"stage{max(site.stage - begins, 0)}"


def _warehouse_of_inverted(config: str, site: Site) -> str:
    """Depthwise convolutions have their own, and so do expansions, but for 1x, and the stem."""
    if site.part == "stem":
        return "stem"
    role = _role(site)
    together = cell_ratio(config) == 1 and role != "depthwise"
    return f"stage{_group(site)}_{'pointwise' if together else role}"


def _group(site: Site) -> int:
    """The stage of a MobileNetV2 whose cells the layer at a place takes."""
    begins = site.part == "block" and site.within == 0 and 0 < site.stage <= _LAST_GROUP
    return min(site.stage, _LAST_GROUP) - begins


def _role(site: Site) -> str:
    return "project" if site.part == "last" else ("expand", "depthwise", "project")[site.place]
