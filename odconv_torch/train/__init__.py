"""Training: `python -m odconv_torch.train`, alone or started by torchrun."""

from odconv_torch.train.trainer import Trainer, train

__all__ = ["Trainer", "train"]
