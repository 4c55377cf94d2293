"""The layers that recalibrate maps, by kind, and which of them a network has in its blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from odconv_spec.cbam import CBAMSpec
from odconv_spec.efficient_channel_attention import EfficientChannelAttentionSpec
from odconv_spec.evidence import Shapes, possible
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.squeeze_excitation import SqueezeExcitationSpec

RECALIBRATIONS: Final[Mapping[str, type[RecalibrationSpec]]] = {
    spec.kind: spec for spec in (SqueezeExcitationSpec, CBAMSpec, EfficientChannelAttentionSpec)
}


def lone_recalibration(shapes: Shapes) -> RecalibrationSpec | None:
    """The spec of the lone layer whose arrays have these names and shapes, None for none.

    Raises:
        UnexplainedError: they have the names of one and contradict each other.

    Example:
        >>> lone_recalibration({"conv.weight": (1, 1, 5)})
        EfficientChannelAttentionSpec(channels=None, kernel_size=5)
    """
    kinds = RECALIBRATIONS.values()
    kind = next((kind for kind in kinds if kind.shows(shapes)), None)
    return None if kind is None else kind.from_arrays(shapes)


def recalibration_options(kind: str) -> dict[str, Any]:
    """Every option of `kind` that a network has, with its default there.

    Raises:
        ValueError: unknown kind.

    Example:
        >>> recalibration_options("eca")
        {'kernel_size': 3}
    """
    if kind not in RECALIBRATIONS:
        known = ", ".join(map(repr, RECALIBRATIONS))
        raise ValueError(f"recalibration: expected one of {known}, received {kind!r}")
    return RECALIBRATIONS[kind].backbone_options()


@dataclass(frozen=True)
class RecalibrationChoice:
    """A kind of layer behind the convolutions of each block, with its options.

    The value of an option may be a tuple with one for each stage, as ECA's released networks have
    for `kernel_size`.

    Example:
        >>> choice = RecalibrationChoice.of("se", reduction=8)
        >>> choice(stage=0, channels=64).squeeze()
        LinearSpec(in_channels=64, out_channels=8, bias=False)
    """

    kind: str
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, kind: str, **options: Any) -> RecalibrationChoice:
        """A kind with some of its options; the others have their defaults in a network.

        Returns:
            The choice, with a value for every option of the kind.

        Raises:
            ValueError: an unknown kind, an option that it does not have, or a value out of range.

        Example:
            >>> RecalibrationChoice.of("eca", kernel_size=(3, 5))(stage=1, channels=64).kernel_size
            5
        """
        known = recalibration_options(kind)
        if unknown := sorted(set(options) - set(known)):
            raise ValueError(
                f"a {kind!r} layer has the options {sorted(known)}; received {unknown}"
            )
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in (known | options).items()}
        choice = cls(kind, tuple(sorted(plain.items())))
        for stage in range(choice.stages or 1):
            choice(stage)  # which checks the values
        return choice

    @property
    def stages(self) -> int | None:
        """The stages that the options have values for, None where all stages have the same.

        Returns:
            A number of stages, or None.

        Raises:
            ValueError: two options have values for different numbers of stages.
        """
        counts = {len(value) for _, value in self.options if isinstance(value, tuple)}
        if len(counts) > 1:
            raise ValueError(
                f"{self.kind}: expected options for one number of stages, received {self.options}"
            )
        return counts.pop() if counts else None

    def __call__(self, stage: int, channels: int | None = None) -> RecalibrationSpec:
        """The layer of a block of a stage, counted from 0."""
        values = ((k, v[stage] if isinstance(v, tuple) else v) for k, v in self.options)
        return RECALIBRATIONS[self.kind](channels=channels, **dict(values))

    @classmethod
    def from_arrays(cls, shapes: Shapes) -> RecalibrationChoice | None:
        """The layers in the blocks of the network that has these arrays, None if it has none.

        Returns:
            The kind and its options, or None.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        for kind in RECALIBRATIONS:
            if stages := _by_stage(shapes, kind):
                return cls.of_stages(kind, list(stages.values()))
        return None

    @classmethod
    def of_stages(cls, kind: str, stages: Sequence[Sequence[Shapes]]) -> RecalibrationChoice:
        """The kind with the options that the arrays of its layers in each stage show.

        Returns:
            The choice, with a value for every option of the kind.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        spec = RECALIBRATIONS[kind]
        found = spec.infer_stage_options(stages)
        options = {k: v for k, v in found.items() if k not in spec.placed}
        with possible():
            return cls.of(kind, **options)

    def check_stages(self, count: int) -> None:
        """Checks that no option has values for another number of stages.

        Args:
            count: stages of the network.

        Raises:
            ValueError: one has.
        """
        if self.stages not in (None, count):
            raise ValueError(
                f"recalibration: expected options of {count} stages, received {self.stages}: {self}"
            )


def _by_stage(shapes: Shapes, kind: str) -> dict[str, list[Shapes]]:
    """What stands first in the paths of blocks -> the arrays of each layer of `kind` there."""
    layers: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, shape in shapes.items():
        block, found, inside = name.partition(f".{kind}.")
        if found:
            layers[block][inside] = shape
    stages: dict[str, list[Shapes]] = defaultdict(list)
    for block, arrays in layers.items():
        stages[block.partition(".")[0]].append(arrays)
    return stages
