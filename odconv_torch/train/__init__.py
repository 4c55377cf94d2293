"""Training: `python -m odconv_torch.train`, alone or started by torchrun."""

from odconv_torch.train.run import train

__all__ = ["train"]
