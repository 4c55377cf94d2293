"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import keras
from keras import ops

from odconv_keras.layers.build_static import build_norm
from odconv_keras.layers.pointwise import Pointwise
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.precision import softmax
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.layers.temperature import Tempered
from odconv_spec import ODConvSpec


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one.

    Where the kernels do not share them, the first three have an axis of kernels after the batch.

    Example:
        >>> attentions = Attentions(None, None, None, kernel=keras.ops.ones((2, 4)) / 4)
        >>> attentions.channel is None
        True
    """

    channel: Any  # (batch, *ones, in) or (batch, kernel_num, *ones, in)
    filter: Any  # (batch, *ones, out) or (batch, kernel_num, *ones, out)
    spatial: Any  # (batch, *kernel, 1, 1) or (batch, kernel_num, *kernel, 1, 1)
    kernel: Any  # (batch, kernel_num)


@keras.saving.register_keras_serializable(package="odconv")
class ODAttention(Tempered):
    """Global mean, 1x1 convolution, norm, ReLU, then one 1x1 convolution for each attention.

    Channel and filter attention pass a sigmoid, the spatial attention a sigmoid or a softmax over
    the taps, the kernel attention a softmax; the temperature divides the logits of all four, as in
    the published code. Takes (batch, *map, in) and gives `Attentions`.

    Args:
        spec: of the convolution that the attentions are for.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> attentions = ODAttention(spec)(keras.ops.ones((2, 8, 9, 16)))
        >>> tuple(attentions.filter.shape), tuple(attentions.kernel.shape)
        ((2, 1, 1, 32), (2, 4))
    """

    bn: keras.layers.Layer | None
    ln: keras.layers.Layer | None
    channel_fc: keras.layers.Layer | None
    filter_fc: keras.layers.Layer | None
    spatial_fc: keras.layers.Layer | None
    kernel_fc: keras.layers.Layer | None

    def __init__(self, spec: ODConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self._shapes = _shapes(spec)
        # As class attributes these would, on the PyTorch backend, hide the layers set in `build`.
        self.bn = self.ln = None
        self.channel_fc = self.filter_fc = self.spatial_fc = self.kernel_fc = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.add_temperature()
        spec, policy = self.spec, self.dtype_policy
        ones = (1,) * spec.rank  # the pooled map
        hidden = (None, *ones, spec.attention_channels)
        self.fc = Pointwise(spec.trunk(), name="fc", dtype=policy)
        self.fc.build((None, *ones, spec.in_channels))
        if named := spec.trunk_norm():
            norm = build_norm(named[1], name=named[0], dtype=policy)
            norm.build(hidden)
            setattr(self, named[0], norm)
        for name in spec.heads():
            head = Pointwise(spec.head(name), spec.head_init, name=name, dtype=policy)
            head.build(hidden)
            setattr(self, name, head)

    def call(self, inputs: Any, training: bool | None = None) -> Attentions:
        pooled = global_mean(inputs, keepdims=True)  # (batch, *ones, in)
        hidden = ops.relu(self._normalised(self.fc(pooled), training))  # (batch, *ones, hidden)
        return Attentions(
            self._sigmoids("channel_fc", hidden),
            self._sigmoids("filter_fc", hidden),
            self._spatial(hidden),
            self._softmax("kernel_fc", hidden),
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ODAttention:
        return cls(**config | {"spec": spec_from_config(config["spec"])})

    def _normalised(self, hidden: Any, training: bool | None) -> Any:
        if self.bn is not None:
            return self.bn(hidden, training=training)
        return hidden if self.ln is None else self.ln(hidden)

    def _sigmoids(self, name: str, hidden: Any) -> Any:
        """Sigmoids of a head in the shape of what they scale; None where there is no such head."""
        head = getattr(self, name)
        if head is None:
            return None
        logits = ops.reshape(head(hidden), (-1, *self._shapes[name]))
        return ops.sigmoid(logits / ops.cast(self.temperature, logits.dtype))

    def _softmax(self, name: str, hidden: Any) -> Any:
        """Weights that add up to one over the last axis; None where there is no such head."""
        head = getattr(self, name)
        if head is None:
            return None
        return softmax(ops.reshape(head(hidden), (-1, *self._shapes[name])), self.temperature)

    def _spatial(self, hidden: Any) -> Any:
        """Weights of the taps, (batch, *kernel, 1, 1) or (batch, kernel_num, *kernel, 1, 1)."""
        compete = self.spec.spatial_activation == "softmax"
        weights = (self._softmax if compete else self._sigmoids)("spatial_fc", hidden)
        if weights is None:
            return None
        *copies, _ = self._shapes["spatial_fc"]
        return ops.reshape(weights, (-1, *copies, *self.spec.kernel, 1, 1))


def _shapes(spec: ODConvSpec) -> dict[str, tuple[int, ...]]:
    """Of the logits of a sample; where each kernel has its own, kernels are the first axis."""
    copies = () if spec.attention_sharing else (spec.kernel_num,)
    ones = (1,) * spec.rank
    return {
        "channel_fc": (*copies, *ones, spec.in_channels),
        "filter_fc": (*copies, *ones, spec.out_channels),
        "spatial_fc": (*copies, prod(spec.kernel)),
        "kernel_fc": (spec.kernel_num,),
    }
