"""What holds for every case of a run: where it runs, in what precision, by which form."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"
CPU, CUDA = DEVICES = ("cpu", "cuda")
FLOAT32, BFLOAT16, FLOAT16 = DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Conditions:
    """
    Attributes:
        strategy: the form that ours is forced to, or "auto".
        device: one of `DEVICES`; "cuda" is for PyTorch alone.
        dtype: one of `DTYPES`: of the arrays in inference, of autocast in training.
        official: the folder of the official code, or "" without it.
    """

    strategy: str = AUTO
    device: str = CPU
    dtype: str = FLOAT32
    official: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether all rounding is that of float32: a GPU convolves in TF32 by default."""
        return self.device == CPU and self.dtype == FLOAT32
