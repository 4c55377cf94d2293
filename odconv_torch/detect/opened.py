"""A detector from its checkpoint file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from odconv_torch.detect.build import build_detector
from odconv_training import TrainingError
from odconv_training.checkpoints import refusing_damage
from odconv_training.detection.options import Network
from odconv_training.progress import Progress
from weights_converter.errors import legible

_PREFIX = "module."
_SHOWN = 300  # characters of what torch says


def open_detector(path: Path, device: torch.device) -> tuple[nn.Module, Network]:
    """The detector of a checkpoint of `python -m odconv_torch.detect train`.

    Args:
        path: of the checkpoint.
        device: where it is to compute.

    Returns:
        The detector in evaluation mode, and its description.

    Raises:
        TrainingError: the file is damaged, or of another network than a detector.
        OSError: it cannot be read.
    """
    path.open("rb").close()  # a file that is not there is no damaged checkpoint
    with refusing_damage(path):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "odconv" not in content:
        raise TrainingError(
            f"expected a checkpoint of a detector that this command has trained, received "
            f"{legible(str(path))} without its description"
        )
    network = Network.from_json(Progress.from_json(content["odconv"]).spec)
    model = build_detector(network)
    arrays = content["state_dict"].items()
    try:
        model.load_state_dict({name.removeprefix(_PREFIX): array for name, array in arrays})
    except RuntimeError as error:
        told = " ".join(str(error).split())[:_SHOWN]
        raise TrainingError(
            f"{legible(str(path))}: expected the arrays of the detector that it describes, "
            f"received: {told}"
        ) from error
    return model.to(device).eval(), network
