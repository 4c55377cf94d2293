"""The attentions of FDConv: of a kernel's channels, taps and frequencies, and of its elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from odconv_keras.layers.build_static import build_norm
from odconv_keras.layers.pointwise import Pointwise
from odconv_keras.layers.precision import at_least_single
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import FDConvSpec
from odconv_spec.fd_attention import StarReLUSpec

_NEAR_ZERO = 1e-6
_KAIMING = "filter_fc"  # which the published code means to start near zero, and does not


class Modulation(NamedTuple):
    """What scales the kernel of each sample; of a kernel of one tap there is no spatial factor."""

    channel: Any  # (batch, 1, 1, in)
    filter: Any  # (batch, 1, 1, out)
    spatial: Any  # (batch, *kernel, 1, 1)
    kernel: Any  # (batch, param_ratio * kernel_num), of the groups of frequencies


@keras.saving.register_keras_serializable(package="odconv")
class NearZero(Pointwise):
    """A head whose "published" start is near zero."""

    def _starts(self) -> tuple[Any, Any]:
        near = keras.initializers.RandomNormal(stddev=_NEAR_ZERO)
        return near if self.head_init == "published" else "zeros", "zeros"


@keras.saving.register_keras_serializable(package="odconv")
class StarReLU(keras.layers.Layer):
    """scale * relu(x) ** 2 + bias, https://arxiv.org/abs/2210.13452.

    Example:
        >>> keras.ops.convert_to_numpy(StarReLU()(keras.ops.array([-1.0, 3.0]))).tolist()
        [0.0, 9.0]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = StarReLUSpec()

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.scale = self.add_weight(name="scale", shape=(1,), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return self.scale * ops.square(ops.relu(inputs)) + self.bias


@keras.saving.register_keras_serializable(package="odconv")
class GlobalModulation(keras.layers.Layer):
    """One squeeze of the input's mean, and a head for each attention, which is around one.

    Takes means (batch, 1, 1, in) and returns a `Modulation`; the weights of the groups of
    frequencies add up to about one.

    Args:
        spec: of the convolution that the attentions are for.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3, head_init="zero")
        >>> found = GlobalModulation(spec)(keras.ops.ones((1, 1, 1, 4)))
        >>> keras.ops.convert_to_numpy(found.kernel).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, spec: FDConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def build(self, input_shape: Sequence[int | None]) -> None:
        spec, policy = self.spec, self.dtype_policy
        hidden = (None, 1, 1, spec.attention_channels)
        self.fc = Pointwise(spec.trunk(), name="fc", dtype=policy)
        self.fc.build((None, 1, 1, spec.in_channels))
        self.bn = build_norm(spec.trunk_norm(), name="bn", dtype=policy)
        self.bn.build(hidden)
        self.relu = StarReLU(name="relu", dtype=policy)
        self.relu.build(hidden)
        for name, head in spec.heads().items():
            kind = Pointwise if name == _KAIMING else NearZero
            layer = kind(head, spec.head_init, name=name, dtype=policy)
            layer.build(hidden)
            setattr(self, name, layer)

    def call(self, inputs: Any, training: bool | None = None) -> Modulation:
        spec = self.spec
        hidden = self.relu(self.bn(self.fc(inputs), training=training))
        found = {name: self._factors(name, hidden) for name in spec.heads()}
        spatial, kernel = found.get("spatial_fc"), found["kernel_fc"]
        groups = spec.param_ratio * spec.kernel_num
        return Modulation(
            channel=found["channel_fc"],
            filter=found["filter_fc"],
            spatial=None if spatial is None else ops.reshape(spatial, (-1, *spec.kernel, 1, 1)),
            kernel=ops.reshape(kernel, (-1, groups)) / groups,
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GlobalModulation:
        return cls(**config | {"spec": spec_from_config(config["spec"])})

    def _factors(self, name: str, hidden: Any) -> Any:
        """(batch, 1, 1, width)"""
        logits = at_least_single(getattr(self, name)(hidden))
        return 2 * ops.sigmoid(logits / self.spec.temperature)


@keras.saving.register_keras_serializable(package="odconv")
class LocalTaps(keras.layers.Layer):
    """The array of a convolution over the channels, (neighbours, 1, taps * out).

    Args:
        of: the spec of the convolution whose kernel's elements are scaled.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    kernel: Any

    def __init__(self, of: FDConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of, self.spec = of, of.local()

    def build(self, input_shape: Sequence[int | None]) -> None:
        near = keras.initializers.Constant(_NEAR_ZERO)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.spec.kernel, 1, self.spec.out_channels),
            initializer=near if self.of.head_init == "published" else "zeros",
        )

    def call(self, inputs: Any) -> Any:
        """(batch, in) to (batch, in, out * taps)."""
        (count,), channels = self.spec.kernel, self.of.in_channels
        padded = ops.pad(inputs, ((0, 0), (count // 2, count // 2)))
        # (batch, in, neighbours)
        columns = ops.stack([padded[:, i : i + channels] for i in range(count)], axis=-1)
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        return columns @ ops.squeeze(ops.convert_to_tensor(self.kernel), 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"of": spec_to_config(self.of)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LocalTaps:
        return cls(**config | {"of": spec_from_config(config["of"])})


@keras.saving.register_keras_serializable(package="odconv")
class LocalModulation(keras.layers.Layer):
    """A logit for each element of a kernel, from the means of neighbouring channels.

    Takes means (batch, 1, 1, in) and returns (batch, in, out * taps).

    Args:
        of: the spec of the convolution that the attentions are for.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> tuple(LocalModulation(spec)(keras.ops.ones((2, 1, 1, 4))).shape)
        (2, 4, 72)
    """

    def __init__(self, of: FDConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of = of

    def build(self, input_shape: Sequence[int | None]) -> None:
        of, policy = self.of, self.dtype_policy
        self.conv = LocalTaps(of, name="conv", dtype=policy)
        self.conv.build((None, of.in_channels))
        self.norm = build_norm(of.local_norm(), name="norm", dtype=policy)
        self.norm.build((None, 1, 1, of.in_channels))

    def call(self, inputs: Any) -> Any:
        return self.conv(ops.reshape(self.norm(inputs), (-1, self.of.in_channels)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"of": spec_to_config(self.of)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LocalModulation:
        return cls(**config | {"of": spec_from_config(config["of"])})
