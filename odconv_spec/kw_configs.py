"""The published configurations of KernelWarehouse, by name: ratios, and who shares a warehouse.

https://github.com/OSVAI/KernelWarehouse/tree/main/configs has 1/4x to 4x of ResNet-18, and 1/2x to
4x of ResNet-50 and MobileNetV2. Any other whole number, and one over it, makes a name as well.
"""

from __future__ import annotations

import re
from typing import Any, Final

from odconv_spec.site import Site

DEFAULT: Final = "kw1x"
_NAME = re.compile(r"kw(?:1d)?([1-9]\d?)x")
_LAST_STAGE = 6  # of a MobileNetV2, of which the last two rows are one


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


def options_at(config: str, site: Site) -> dict[str, Any]:
    """Options of the layer at a place, but for its cells.

    A MobileNetV2 with fewer cells than mixtures saves them in its last stage alone, and has small
    attentions; a ResNet of bottlenecks weighs the cells of other layers through a basis.
    """
    ratio = cell_ratio(config)
    fewer = ratio < 1
    if site.family != "mobilenetv2":
        plane = 0.5 if fewer else 1.0
        basis = 0.0625 if fewer and site.block == "bottleneck" else 1.0
        return {**_ratios(ratio, plane, plane), "nonlocal_basis_ratio": basis}
    reduction = {"reduction": 0.03125 if fewer else 0.0625}
    if fewer and site.part == "head":
        return {**_ratios(ratio, 0.025, 1.0), **reduction}
    if fewer and is_depthwise_or_stem(site):
        return {**_ratios(1.0, 1.0, 1.0), **reduction}
    plane = 0.5 if fewer else 1.0
    return {**_ratios(ratio, plane, plane), **reduction}


def is_static(config: str, site: Site) -> bool:
    """Whether the configuration leaves a convolution of a MobileNetV2 as it is."""
    fewer = site.family == "mobilenetv2" and cell_ratio(config) < 1
    pointwise = site.part == "block" and site.place != 1
    return fewer and pointwise and _stage(site) < _LAST_STAGE


def warehouse_at(config: str, site: Site) -> str:
    """The name of the warehouse from which the layer at a place takes cells.

    What begins a stage takes those of the stage before, whose widths it has.
    """
    if site.family != "mobilenetv2":
        begins = site.part == "shortcut" or (site.within == 0 and site.place == 0)
        return f"stage{max(site.stage - begins, 0)}"
    if site.part in ("stem", "head"):
        return site.part
    if site.part == "block" and site.place == 1:
        return f"stage{_stage(site)}_dwconv"
    shared = cell_ratio(config) == 1
    place = "" if shared else "0" if site.part == "block" and site.place == 0 else "1"
    return f"stage{_stage(site)}_pwconv{place}"


def is_depthwise_or_stem(site: Site) -> bool:
    return site.part == "stem" or (site.part == "block" and site.place == 1)


def _stage(site: Site) -> int:
    """The stage of a block of a MobileNetV2, counted from 1; its first one is of that before."""
    if site.part == "last":
        return _LAST_STAGE
    stage = min(site.stage + 1, _LAST_STAGE)
    begins = site.within == 0 and 0 < site.stage < _LAST_STAGE
    return stage - begins


def _ratios(cells: float, inplane: float, outplane: float) -> dict[str, Any]:
    return {
        "cell_num_ratio": cells,
        "cell_inplane_ratio": inplane,
        "cell_outplane_ratio": outplane,
    }
