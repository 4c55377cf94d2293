"""TorchScript files, in PyTorch on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from odconv.runtimes.exported import METADATA_FILE, Array, Images


class TorchscriptFile:
    """See `Exported`. A file of this format does not say which lengths are free."""

    def __init__(self, path: Path) -> None:
        extra = {METADATA_FILE: ""}
        load: Any = torch.jit.load  # has no annotations
        self._module = load(str(path), map_location="cpu", _extra_files=extra)
        self.metadata: dict[str, str] = json.loads(extra[METADATA_FILE] or "{}")
        self.shape: tuple[int | None, ...] = (None, None, None, None)

    def run(self, images: Images) -> tuple[Array, ...]:
        with torch.inference_mode():
            found = self._module(torch.from_numpy(images))
        outputs = (found,) if isinstance(found, torch.Tensor) else found
        return tuple(output.numpy() for output in outputs)

    def close(self) -> None:
        del self._module


def open_file(path: Path) -> TorchscriptFile:
    return TorchscriptFile(path)
