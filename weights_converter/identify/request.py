"""What a user asks for: a file, and what is to be known about it before it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from odconv_spec import BackboneSpec, from_dict
from odconv_spec.detectors import DetectorSpec
from weights_converter.identify.backbones import Stages
from weights_converter.identify.manifest import Manifest

Model = str | Path | BackboneSpec | DetectorSpec | Manifest | None
Patterns = str | Sequence[str]


@dataclass(frozen=True)
class Request:
    """A checkpoint to open. Every function that takes a path takes a request in its place.

        convert(Request("a.pth", model="od_resnet18", key="ema"), "b.safetensors")

    Attributes:
        path: a file of any format; its content decides which.
        model: a name, a spec, the manifest of another network, or a JSON file with a spec or a
            manifest; None infers it from the arrays.
        stages: the stage table of a network whose arrays do not show it, where it is not a
            published one.
        key: which state dict to take from a file with several.
        ignore: patterns of arrays to leave out, such as "criterion.*"; each must fit one.
        prefix: takes only the arrays below this name, which is taken off: "student" makes
            "student.fc.bias" "fc.bias".
        isolate: parses the file in a child process with limits; None does it for HDF5 only.

    Example:
        >>> Request("last.ckpt", key="ema", ignore="criterion.*").key
        'ema'
    """

    path: str | Path
    model: Model = None
    stages: Stages | None = None
    key: str | None = None
    ignore: Patterns = ()
    prefix: str | None = None
    isolate: bool | None = False

    @classmethod
    def of(cls, source: str | Path | Request) -> Request:
        """The request itself, or one for nothing but the file at a path.

        Returns:
            A request.
        """
        return source if isinstance(source, Request) else cls(source)

    @property
    def names_model(self) -> bool:
        """Whether the user said what model it is.

        Returns:
            True with a model or a table of stages.
        """
        return self.model is not None or self.stages is not None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of arrays to leave out.

        Returns:
            The patterns, one alone in a tuple, too.
        """
        return (self.ignore,) if isinstance(self.ignore, str) else tuple(self.ignore)

    def to_json(self) -> str:
        """The request as text for another process; its model must be a spec.

        Returns:
            A JSON object.

        Raises:
            TypeError: the model is none, or a name.
        """
        if not isinstance(self.model, BackboneSpec):
            raise TypeError(f"expected the spec of a backbone, received {self.model!r}")
        values = asdict(replace(self, path=str(self.path), model=None, ignore=self.patterns))
        return json.dumps(values | {"model": self.model.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote.

        Returns:
            The request, equal but for the patterns, which are a tuple.
        """
        values = json.loads(text)
        return cls(**values | {"model": from_dict(values["model"])})
