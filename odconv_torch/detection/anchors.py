"""Anchors as mmdetection lays them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from odconv_torch.detection.precision import exact, sizes_alone


class StrideAnchors(AnchorGenerator):
    """An anchor of each ratio at each position of each map, sized by the stride of the map.

    torchvision rounds the corners of its anchors to whole pixels, and takes the strides from the
    sizes of the maps, which are not those of the network where a map has an odd size. These do
    neither, as the `AnchorGenerator` of mmdetection, with which the published detectors were
    trained.

    Args:
        strides: of the maps over the image, from the finest.
        scale: side of a square anchor over the stride.
        ratios: height over width of the anchors.

    Example:
        >>> anchors = StrideAnchors((4, 8))
        >>> anchors.sizes, anchors.num_anchors_per_location()
        (((32.0,), (64.0,)), [3, 3])
    """

    def __init__(
        self,
        strides: Sequence[int],
        scale: float = 8.0,
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
    ) -> None:
        sizes = tuple((scale * stride,) for stride in strides)
        super().__init__(sizes, (tuple(ratios),) * len(sizes))
        self.strides = tuple(strides)

    def generate_anchors(
        self,
        scales: Sequence[float],
        aspect_ratios: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> torch.Tensor:
        """Corners (ratios * scales, 4) around a position, left, top, right, bottom in pixels.

        Returns:
            As many rows as pairs of a scale and a ratio.
        """
        roots = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        sides = torch.as_tensor(scales, dtype=dtype, device=device)
        widths = (sides / roots[:, None]).flatten()  # (ratios * scales,)
        heights = (sides * roots[:, None]).flatten()
        return torch.stack([-widths, -heights, widths, heights], dim=1) / 2

    def forward(
        self, image_list: ImageList, feature_maps: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """The anchors (anchors, 4) of each image, position by position, from the finest map.

        Returns:
            An array for each image, all alike.
        """
        first = feature_maps[0]
        self.set_cell_anchors(exact(first.dtype), first.device)
        steps = [[torch.tensor(stride, device=first.device)] * 2 for stride in self.strides]
        anchors = self.grid_anchors([y.shape[-2:] for y in feature_maps], steps)
        return [torch.cat(anchors) for _ in image_list.image_sizes]


class RoundedAnchors(AnchorGenerator):
    """torchvision's own anchors of the same sizes and ratios.

    Args:
        strides: of the maps over the image, from the finest.

    Example:
        >>> RoundedAnchors((4, 8)).sizes
        ((32,), (64,))
    """

    def __init__(self, strides: Sequence[int]) -> None:
        sizes = tuple((8 * stride,) for stride in strides)
        super().__init__(sizes, ((0.5, 1.0, 2.0),) * len(sizes))

    def forward(
        self, image_list: ImageList, feature_maps: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        return super().forward(image_list, sizes_alone(feature_maps))
