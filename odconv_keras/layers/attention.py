"""The attention of ODConv: one squeeze of the input, and up to four heads on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from odconv_keras.layers.build_static import build_norm, build_static_conv
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.layers.temperature import Tempered
from odconv_spec import NormSpec, ODConvSpec


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one."""

    channel: Any  # (batch, *ones, in)
    filter: Any  # (batch, *ones, out)
    spatial: Any  # (batch, *kernel, 1, 1)
    kernel: Any  # (batch, kernel_num)


@keras.saving.register_keras_serializable(package="odconv")
class ODConvAttention(Tempered):
    """Global mean, 1x1 convolution, batch norm, ReLU, then one 1x1 convolution for each attention.

    Channel, filter and spatial attention pass a sigmoid, the kernel attention a softmax; the
    temperature divides the logits of all four, as in the published code. Takes (batch, *map, in)
    and gives `Attentions`.
    """

    channel_fc: keras.layers.Layer | None
    filter_fc: keras.layers.Layer | None
    spatial_fc: keras.layers.Layer | None
    kernel_fc: keras.layers.Layer | None

    def __init__(self, spec: ODConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        # As class attributes these would, on the PyTorch backend, hide the layers set in `build`.
        self.channel_fc = self.filter_fc = self.spatial_fc = self.kernel_fc = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.add_temperature()
        spec, policy = self.spec, self.dtype_policy
        ones = (1,) * spec.rank  # the pooled map
        hidden = (None, *ones, spec.attention_channels)
        self.fc = build_static_conv(spec.trunk(), name="fc", dtype=policy)
        self.fc.build((None, *ones, spec.in_channels))
        self.bn = build_norm(NormSpec(spec.attention_channels), name="bn", dtype=policy)
        self.bn.build(hidden)
        start = "zeros" if spec.head_init == "zero" else None
        for name in spec.heads():
            head = build_static_conv(
                spec.head(name), kernel_initializer=start, name=name, dtype=policy
            )
            head.build(hidden)
            setattr(self, name, head)

    def call(self, inputs: Any, training: bool | None = None) -> Attentions:
        pooled = global_mean(inputs, keepdims=True)  # (batch, *ones, in)
        hidden = ops.relu(self.bn(self.fc(pooled), training=training))  # (batch, *ones, hidden)
        spatial = self._sigmoid(self.spatial_fc, hidden)  # (batch, *ones, taps)
        if spatial is not None:
            spatial = ops.reshape(spatial, (-1, *self.spec.kernel, 1, 1))
        kernel = self._logits(self.kernel_fc, hidden)  # (batch, *ones, kernel_num)
        if kernel is not None:
            kernel = ops.softmax(ops.reshape(kernel, (-1, self.spec.kernel_num)))
        channel = self._sigmoid(self.channel_fc, hidden)
        return Attentions(channel, self._sigmoid(self.filter_fc, hidden), spatial, kernel)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ODConvAttention:
        return cls(**config | {"spec": spec_from_config(config["spec"])})

    def _logits(self, head: keras.layers.Layer | None, hidden: Any) -> Any:
        """Logits over the temperature, (batch, *ones, width)."""
        if head is None:
            return None
        logits = head(hidden)
        return logits / ops.cast(self.temperature, logits.dtype)

    def _sigmoid(self, head: keras.layers.Layer | None, hidden: Any) -> Any:
        logits = self._logits(head, hidden)
        return None if logits is None else ops.sigmoid(logits)
