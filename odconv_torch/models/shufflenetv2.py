"""ShuffleNetV2, https://arxiv.org/abs/1807.11164, with any kind of convolution in its blocks.

Attribute names are those of the published code, because they name the stored arrays, and so are the
starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import ConvSpec, NormSpec, ShuffleNetV2Spec, ShuffleSpec, UnitSpec
from odconv_spec.feature_maps import OutIndices, feature_indices
from odconv_spec.shufflenetv2 import NORM_SHIFT, start_deviation
from odconv_torch.layers import build_conv, build_norm
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.conv_norm import conv_norm
from odconv_torch.models.head import Device, build_head
from odconv_torch.models.sharing import add_shared, shared_by

MATCH_PREVIOUS: Final = 99999  # timm's word for "in the group before"


class Unit(NamedTuple):
    """Where a block has a convolution and its norm, and what the convolution takes."""

    conv: str
    norm: str
    activated: bool
    takes_shared: bool


class ShuffleBlock(nn.Module):
    """A branch of three convolutions, and beside it two others or the half that passes by."""

    def __init__(
        self, spec: ShuffleSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self._shared = add_shared(self, spec.shared, device, dtype)
        self._branch = _add_units(self, spec.branch, device, dtype)
        self._beside = _add_units(self, spec.beside, device, dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept, seen = (x, x) if self._beside else _parted(x)
        shared = shared_by(self, self._shared, seen)
        beside = self._in_order(self._beside, kept, shared)
        return torch.cat((beside, self._in_order(self._branch, seen, shared)), 1)

    def _in_order(
        self, units: Sequence[Unit], x: torch.Tensor, shared: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        for unit in units:
            conv, norm = self.get_submodule(unit.conv), self.get_submodule(unit.norm)
            x = conv_norm(conv, norm, x, *(shared if unit.takes_shared else ()))
            x = F.relu(x, inplace=True) if unit.activated else x
        return x


class ShuffleNetV2(Backbone):
    """The network that a `ShuffleNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> ShuffleNetV2(ShuffleNetV2Spec(num_classes=10))(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """

    def __init__(
        self, spec: ShuffleNetV2Spec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(spec)
        start = (device, dtype)
        self.first_conv = nn.Sequential(
            *_conv_norm(spec.stem, *start, first=True), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.features = nn.Sequential(*(ShuffleBlock(block, *start) for block in spec.blocks()))
        self.conv_last = nn.Sequential(*_conv_norm(spec.last, *start), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Sequential(build_head(spec.head, *start))
        # Where in `features` the maps of `feature_info` leave that are neither stem nor pooled.
        self._places = tuple(int(info.name.rpartition(".")[2]) for info in self._maps[2:])

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_behind(self._run(self.features, self.maxpool(self.first_conv(x))))

    def forward_stages(self, x: torch.Tensor, out_indices: OutIndices = None) -> list[torch.Tensor]:
        chosen = feature_indices(self._maps, out_indices)
        maps = [self.first_conv(x)]
        if max(chosen) > 0:
            x = self.maxpool(maps[0])
            maps.append(x)
        for place in range(self._blocks_to(max(chosen))):
            x = self._run(self.features[place], x)
            if place in self._places:
                maps.append(x)
        return [maps[index] for index in chosen]

    def forward_behind(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv_last(x)

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        y = self.dropout(self._pool(features))
        return self._flat(y if pre_logits else self.classifier(y))

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        last = (r"^conv_last\.", (MATCH_PREVIOUS,))
        if not coarse:
            return {"stem": r"^first_conv\.", "blocks": [(r"^features\.(\d+)\.", None), last]}
        firsts = [0, *(place + 1 for place in self._places[:-1])]
        stages = [
            (rf"^features\.(?:{'|'.join(map(str, range(first, end + 1)))})\.", (stage,))
            for stage, (first, end) in enumerate(zip(firsts, self._places, strict=True))
        ]
        return {"stem": r"^first_conv\.", "blocks": [*stages, last]}

    def modules_up_to(self, index: int) -> Mapping[str, nn.Module]:
        found: dict[str, nn.Module] = {"first_conv": self.first_conv}
        if index > 0:
            found["maxpool"] = self.maxpool
        if index > 1:
            found["features"] = self.features[: self._blocks_to(index)]
        return found

    def _blocks_to(self, index: int) -> int:
        """How many blocks lead to `feature_info[index]`."""
        return self._places[index - 2] + 1 if index > 1 else 0


def _parted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The channels of even places, and those of odd ones: each half has some of both branches."""
    pairs = x.unflatten(1, (-1, 2))
    return pairs[:, :, 0], pairs[:, :, 1]


def _add_units(
    block: nn.Module, specs: Sequence[UnitSpec], device: Device, dtype: torch.dtype | None
) -> tuple[Unit, ...]:
    """Adds convolutions and norms at their paths, of which those in a sequence have a dot."""
    for owner, own in groupby(specs, lambda spec: spec.path.rpartition(".")[0]):
        if owner:
            block.add_module(owner, nn.Sequential(*_sequence(own, device, dtype)))
            continue
        for spec in own:
            conv, norm = _conv_norm(spec.conv, device, dtype)
            block.add_module(spec.path, conv)
            block.add_module(spec.norm_path, norm)
    return tuple(Unit(s.path, s.norm_path, s.activated, s.conv.takes_shared) for s in specs)


def _sequence(
    specs: Iterable[UnitSpec], device: Device, dtype: torch.dtype | None
) -> Iterator[nn.Module]:
    for spec in specs:
        yield from _conv_norm(spec.conv, device, dtype)
        if spec.activated:
            yield nn.ReLU(inplace=True)


def _conv_norm(
    spec: ConvSpec, device: Device, dtype: torch.dtype | None, first: bool = False
) -> tuple[nn.Module, nn.Module]:
    conv = build_conv(spec, device, dtype)
    if isinstance(conv, nn.Conv2d):  # dynamic ones have starts of their own
        nn.init.normal_(conv.weight, std=start_deviation(spec, first))
    norm = build_norm(NormSpec(spec.out_channels), spec.rank, device, dtype)
    nn.init.constant_(norm.get_parameter("bias"), NORM_SHIFT)
    return conv, norm
