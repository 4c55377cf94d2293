"""Files of torch.export, in PyTorch on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from odconv.runtimes.exported import METADATA_FILE, Array, Images


class Pt2File:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        extra = {METADATA_FILE: ""}
        program = torch.export.load(path, extra_files=extra)
        (name,) = program.graph_signature.user_inputs
        (entry,) = (node for node in program.graph.nodes if node.name == name)
        # A free length is a symbol.
        self.shape = tuple(n if isinstance(n, int) else None for n in entry.meta["val"].shape)
        self.metadata: dict[str, str] = json.loads(extra[METADATA_FILE] or "{}")
        self._module = program.module()

    def run(self, images: Images) -> tuple[Array, ...]:
        with torch.inference_mode():
            found = self._module(torch.from_numpy(images))
        outputs = (found,) if isinstance(found, torch.Tensor) else found
        return tuple(output.numpy() for output in outputs)

    def close(self) -> None:
        del self._module


def open_file(path: Path) -> Pt2File:
    return Pt2File(path)
