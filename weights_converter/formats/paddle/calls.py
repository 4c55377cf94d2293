"""How Paddle's tensors look in a pickle: as NumPy arrays, bare or in one of two idioms."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from weights_converter.arrays.dtypes import is_shape
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.calls import (
    PYTHON_CALLS,
    PYTHON_CLASSES,
    PYTHON_NAMES,
    Arguments,
    Vocabulary,
)
from weights_converter.formats.pickles.numpy_arrays import (
    NUMPY_CALLS,
    NUMPY_NAMES,
    Contents,
    PickledArray,
)
from weights_converter.formats.pickles.values import BadCall

NAME_TABLE = "StructuredToParameterName@@"
SPLIT_ARRAYS = "UnpackBigParamInfor@@"


@dataclass(frozen=True, eq=False)
class SplitArray:
    """An array over 2**30 bytes, which protocols 2 and 3 store flat and in parts."""

    shape: tuple[int, ...]
    parts: tuple[Contents, ...]

    @property
    def tag(self) -> str:
        return self.parts[0].tag


def array_in(value: object) -> Contents | SplitArray | None:
    """The array that `value` is or wraps; a pair of a name and an array is Paddle's Tensor."""
    if type(value) is tuple and len(value) == 2 and isinstance(value[0], str):
        value = value[1]
    if isinstance(value, PickledArray):
        return value.contents
    return value if isinstance(value, SplitArray) else None


def joined(source: Source, content: dict[object, object]) -> dict[object, object]:
    """`content` with each split array in the place of its parts.

    Raises:
        RefusedError: the list of split arrays does not fit the parts.
    """
    splits = content.get(SPLIT_ARRAYS, {})
    if not isinstance(splits, dict):
        raise source.refused(f"its entry {SPLIT_ARRAYS} is not a dict")
    content = {name: value for name, value in content.items() if name != SPLIT_ARRAYS}
    for name, split in splits.items():
        parts = split.get("slices") if isinstance(split, dict) else None
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise source.refused(f"its entry {SPLIT_ARRAYS} does not list parts")
        arrays = [content.pop(part, None) for part in parts]
        content[name] = _split_array(source, split.get("OriginShape"), arrays)
    return content


def _split_array(source: Source, shape: object, arrays: list[object]) -> SplitArray:
    parts = tuple(part for part in map(array_in, arrays) if isinstance(part, Contents))
    if len(parts) != len(arrays) or len({part.tag for part in parts}) != 1:
        raise source.refused("the parts of a split array are missing or of several dtypes")
    if type(shape) is not tuple or not is_shape(shape):
        raise source.refused("a split array has an odd shape")
    if sum(prod(part.shape) for part in parts) != prod(shape):
        raise source.refused(f"the parts of a split array do not make up the shape {shape}")
    return SplitArray(shape, parts)


def _eval(arguments: Arguments) -> object:
    """Paddle pickles a DenseTensor as eval('data', {'data': array}).

    That very shape is recognised and answered with the array. Nothing is evaluated: a reader that
    lets `eval` through for the sake of these files runs anybody's code.
    """
    if len(arguments) == 2 and type(arguments[0]) is str and arguments[0] == "data":
        names = arguments[1]
        if type(names) is dict and list(names) == ["data"]:
            array = names["data"]
            if isinstance(array, PickledArray):
                return array
    raise BadCall("with something else than ('data', {'data': array})")


PADDLE = Vocabulary(
    calls={
        **PYTHON_CALLS,
        **NUMPY_CALLS,
        "builtins.eval": _eval,
        "__builtin__.eval": _eval,
    },
    names=PYTHON_NAMES | NUMPY_NAMES,
    classes=PYTHON_CLASSES,
)
