"""Imports what crashes the process once TensorFlow is loaded: Paddle, and PyTorch's Triton.

Triton comes with the builds of PyTorch for GPUs, which import it when they are first compiled for
or an optimizer is made, so late that TensorFlow may be there.
"""

from __future__ import annotations

from contextlib import suppress

import paddle  # noqa: F401

with suppress(ImportError):  # builds of PyTorch for CPUs have none
    import triton  # noqa: F401
