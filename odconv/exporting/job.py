"""What was asked of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """Everything that the preparation, a writer and the proof of one export need to know.

    Attributes:
        form: of the dynamic convolutions, one of the target's.
        channels: of the images.
        size: height and width of the images; of the example where any is allowed.
        dynamic_size: whether the file takes images of any size.
        batch: images in a batch; None for any number.
        opset: of an ONNX file; None for the target's default.
        features: numbers of the maps that the file gives in place of logits; None for logits.
        half: whether the arrays are stored in half precision.
        int8: the folder with images by which ranges are measured; None for no integers.
        fuse: whether batch norms are folded into the convolutions before them.
        softmax: whether the file gives probabilities in place of logits.
        labels: names of the classes, in the order of the logits.
        mean: of each channel, subtracted from the images; none for 0.
        std: of each channel, by which they are divided then; none for 1.
        in_graph: whether the file does that, or only says so in its metadata.
        tolerance: largest relative difference from the source.
        metadata: what the file tells of itself; see `odconv.exporting.metadata`.
    """

    form: str
    channels: int = 3
    size: tuple[int, int] = (224, 224)
    dynamic_size: bool = False
    batch: int | None = None
    opset: int | None = None
    features: tuple[int, ...] | None = None
    half: bool = False
    int8: str | None = None
    fuse: bool = True
    softmax: bool = False
    labels: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    in_graph: bool = False
    tolerance: float = 1e-5
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def example(self) -> tuple[int, int, int, int]:
        """A shape of images: (batch, channels, height, width); exporters take batch 1 for fixed."""
        return (self.batch or 2, self.channels, *self.size)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of the images that the file takes, as `example`; None where any length is."""
        sizes = (None, None) if self.dynamic_size else self.size
        return (self.batch, self.channels, *sizes)
