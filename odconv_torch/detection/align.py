"""RoIAlign over a feature pyramid as mmdetection computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align
from torchvision.ops.boxes import box_area

from odconv_torch.detection.precision import exact

_CELLS = 14  # on the map that a box is pooled from its side has this many, and less than twice


class AdaptiveAlign(MultiScaleRoIAlign):
    """Pools each box from the map that fits its size, at as many points as the box has cells.

    torchvision's detectors take two points for an axis of a cell, however large the box is, and
    place the map half a cell beside the image, as the first RoIAlign did; mmdetection does neither,
    so that a detector which was trained there needs this. Scores of the two differ by some 0.01.

    Args:
        strides: of the maps over the image, from the finest. They are called "0", "1" and so on.
        output_size: cells of the pooled map, over a side.

    Example:
        >>> align = AdaptiveAlign((4, 8), 7)
        >>> maps = {"0": torch.rand(1, 16, 24, 32), "1": torch.rand(1, 16, 12, 16)}
        >>> align(maps, [torch.tensor([[8.0, 4.0, 90.0, 64.0]])], [(96, 128)]).shape
        torch.Size([1, 16, 7, 7])
    """

    def __init__(self, strides: Sequence[int], output_size: int) -> None:
        names = [str(index) for index in range(len(strides))]
        super().__init__(names, output_size, sampling_ratio=0)
        self.strides = tuple(strides)

    def forward(
        self,
        x: Mapping[str, torch.Tensor],
        boxes: list[torch.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> torch.Tensor:
        """What the boxes cover, (boxes of all images, channels, output_size, output_size).

        Args:
            x: name -> map (batch, channels, height, width).
            boxes: of each image, (boxes, 4): left, top, right, bottom in pixels of it.
            image_shapes: taken for torchvision's sake; the strides say the same.

        Returns:
            One map for each box, zeros where an image has no box.
        """
        maps = [x[name] for name in self.featmap_names]
        wide = exact(maps[0].dtype)
        rois = self._with_image(boxes).to(wide)  # (boxes of all images, 5)
        levels = self._levels(torch.cat(boxes))
        pooled = maps[0].new_zeros(len(rois), maps[0].shape[1], *self.output_size)
        for level, (found, stride) in enumerate(zip(maps, self.strides, strict=True)):
            here = torch.where(levels == level)[0]
            size, scale = self.output_size, 1 / stride
            part = roi_align(
                found.to(wide), rois[here], size, scale, sampling_ratio=0, aligned=True
            )
            pooled[here] = part.to(pooled.dtype)
        return pooled

    def _levels(self, boxes: torch.Tensor) -> torch.Tensor:
        """Number of the map of each box, https://arxiv.org/abs/1612.03144, section 4.2."""
        finest = _CELLS * self.strides[0]
        levels = torch.floor(torch.log2(box_area(boxes).sqrt() / finest + 1e-6))
        return levels.clamp(0, len(self.strides) - 1).long()

    @staticmethod
    def _with_image(boxes: list[torch.Tensor]) -> torch.Tensor:
        """(boxes of all images, 5): the number of its image before each box."""
        return torch.cat(
            [
                torch.cat([torch.full_like(found[:, :1], image), found], dim=1)
                for image, found in enumerate(boxes)
            ]
        )
