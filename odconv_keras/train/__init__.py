"""Training: `python -m odconv_keras.train`, in one process or several."""

from odconv_keras.train.optimizer import SGD
from odconv_keras.train.run import train

__all__ = ["SGD", "train"]
