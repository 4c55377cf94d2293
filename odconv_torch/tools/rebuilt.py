"""Networks that another package builds anew to train them, and would build without our layers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from torch import nn

# The package of a network's classes -> what of ours has it keep them, as a function `keep`.
_KEEPERS = {"ultralytics": "odconv_torch.ultralytics.registration"}


def keep_in(model: nn.Module) -> None:
    """Has the package of the network `model` build it with its dynamic convolutions from now on."""
    for package in _packages(model):
        import_module(_KEEPERS[package]).keep(model)


def check_replaced(model: nn.Module, replaced: int, skipped: Sequence[tuple[str, str]]) -> None:
    """Raises ValueError if nothing was replaced in such a network, whose training tells nothing."""
    if _packages(model) and skipped and not replaced:
        path, reason = skipped[0]
        raise ValueError(f"none of {len(skipped)} convolutions can be replaced; {path}: {reason}")


def _packages(model: nn.Module) -> set[str]:
    return {type(module).__module__.partition(".")[0] for module in model.modules()} & {*_KEEPERS}
