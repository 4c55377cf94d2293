"""What is being recorded, if anything: graphs hold for other batches, and leave the process."""

from __future__ import annotations

import torch


def records_a_graph() -> bool:
    """Whether a graph is being recorded, which may be run with another batch size."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def exports_a_graph() -> bool:
    """Whether that graph will run without this package. Older torch does not tell, so: any."""
    exports = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return torch.jit.is_tracing() or (torch.compiler.is_compiling() and exports())


def batch_of(x: torch.Tensor) -> int:
    """The number of samples, for `reshape`: of an exported graph -1, which nothing looks up."""
    return -1 if exports_a_graph() else x.shape[0]
