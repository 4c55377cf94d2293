"""Several frameworks in one process."""

from __future__ import annotations

import paddle  # noqa: F401  # before TensorFlow: behind it, the import of Paddle crashes the process
