"""The normalisations: what they store."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec.parameters import Parameter, Role


@dataclass(frozen=True)
class NormSpec:
    """Batch normalisation over all axes but the channels'.

    Example:
        >>> norm = NormSpec(16)
        >>> [p.name for p in norm.parameters() if p.role.trainable]
        ['weight', 'bias']
    """

    channels: int
    eps: float = 1e-5
    momentum: float = 0.1  # weight of the new batch; Keras and Paddle take 1 - momentum

    def parameters(self) -> tuple[Parameter, ...]:
        """The scale, the shift and the two running statistics.

        Returns:
            Four arrays of (channels,).
        """
        shape = (self.channels,)
        return (
            Parameter("weight", Role.NORM_SCALE, shape),
            Parameter("bias", Role.NORM_SHIFT, shape),
            Parameter("running_mean", Role.NORM_MEAN, shape),
            Parameter("running_var", Role.NORM_VARIANCE, shape),
        )


@dataclass(frozen=True)
class LayerNormSpec:
    """Normalisation of each sample over its channels.

    Example:
        >>> [p.name for p in LayerNormSpec(16).parameters()]
        ['weight', 'bias']
    """

    channels: int
    eps: float = 1e-5

    def parameters(self) -> tuple[Parameter, ...]:
        """The scale and the shift.

        Returns:
            Two arrays of (channels,).
        """
        shape = (self.channels,)
        return (
            Parameter("weight", Role.NORM_SCALE, shape),
            Parameter("bias", Role.NORM_SHIFT, shape),
        )
