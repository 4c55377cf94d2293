"""Initial values, as in the published code."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def kaiming_normal() -> keras.initializers.Initializer:
    """Kaiming normal over the fan-out of one kernel of shape (*kernel, in // groups, out).

    Keras' own "he_normal" is truncated and takes the fan-in.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@keras.saving.register_keras_serializable(package="odconv")
class PerExpert(keras.initializers.Initializer):
    """Draws each kernel of a bank on its own: the bank as a whole would give a wrong fan.

    Args:
        initializer: of one kernel.
    """

    def __init__(self, initializer: Any) -> None:
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        kernels = [self._of(expert)(shape[1:], dtype=dtype) for expert in range(shape[0])]
        return ops.stack(kernels)  # (kernel_num, *kernel, in // groups, out)

    def get_config(self) -> dict[str, Any]:
        return {"initializer": keras.initializers.serialize(self.initializer)}

    def _of(self, expert: int) -> Any:
        """The initializer of one expert: one with a fixed seed would repeat the first kernel."""
        if not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer
        config = self.initializer.get_config()
        if not isinstance(config.get("seed", ""), int | None):
            return self.initializer
        seed = config["seed"]
        return self.initializer.from_config(config | {"seed": seed and seed + expert})
