"""The face that an exported file has in every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

# Among the extra files of the formats of PyTorch: the metadata, as a JSON object.
METADATA_FILE: Final = "odconv.json"

Images = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


class Exported(Protocol):
    """An exported network that is open in a runtime.

    Attributes:
        metadata: what the export wrote into the file, such as `odconv.form`.
        shape: of its input, (batch, channels, height, width), None where it is free.

    Example:
        >>> import numpy as np
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> file = export(checkpoint, "exported.onnx", size=32).path
        >>> network = open_exported(file)
        >>> network.shape, network.metadata["odconv.form"]
        ((None, 3, 32, 32), 'compact')
        >>> network.run(np.zeros((2, 3, 32, 32), np.float32))[0].shape
        (2, 10)
    """

    metadata: Mapping[str, str]
    shape: tuple[int | None, ...]

    def run(self, images: Images) -> tuple[Array, ...]:
        """The outputs of a batch.

        Args:
            images: (batch, channels, height, width), also where the file has channels last.

        Returns:
            Logits (batch, classes), or maps (batch, channels, height, width).
        """
        ...

    def close(self) -> None:
        """Gives back what the runtime holds; nothing may be run afterwards."""
        ...
