"""Detectors on COCO's format: `python -m odconv_torch.detect`, alone or started by torchrun."""

from odconv_spec.extras import missing

try:
    import torchvision  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_torch.detect", "'odconv[detection]'") from error

from odconv_torch.detect.trainer import DetectionTrainer, train

__all__ = ["DetectionTrainer", "train"]
