"""Random arrays with which float32 can be compared, in the training of a deep network as well.

The batch norm of an attention sees one number a sample. White images have nearly the same means, so
that it divides by small differences between them and multiplies rounding: by 80 in the first layer
of ResNet-50, and by two in each block that then scales its map. After 16 blocks of 4 kernels two
layouts of one network are 0.4 of the largest logit apart. Heads of a tenth, as a temperature of 10
makes them, leave each sample attentions of its own, and the two within 2e-4.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_spec import BackboneSpec, ConvSpec
from parity_tests.reference import random_arrays

SEED = 5
_HEAD = re.compile(r"attention\.(\w+_fc|fc2)\.weight")
_GAIN_OF_HEADS = np.float32(0.1)


def steady_arrays(spec: ConvSpec | BackboneSpec) -> dict[str, npt.NDArray[Any]]:
    """Canonical name -> random values, the same in every call."""
    arrays = random_arrays(spec.parameters(), SEED, np.float32)
    for name in filter(_HEAD.search, arrays):
        arrays[name] *= _GAIN_OF_HEADS
    return arrays
