"""The names of a checkpoint's variables.

TensorFlow stores a variable under one of the paths by which the saved object holds it, not always
a telling one: `variables/0` in a model that Keras exports, `optimizer/_trainable_variables/0` in
one that is compiled. Beside it, a graph of the objects gives the name that the variable itself has,
such as `od_resnet18/layer1/0/conv1/kernel`.
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/trackable_object_graph.proto
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from weights_converter.formats.files.protobuf import fields, last_fields, message

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_OF_A_NAME = 24  # objects that the budget counts a pair of names as
_COPY = "_all_variables/"  # what Keras exports once more beside variables/
_ESCAPED = re.compile(r"\.([S.])")
_UNNAMED = re.compile(r"(?:Variable(?:_\d+)?)?(?::0)?")  # what TensorFlow calls them
_TRAINING = re.compile(
    r"(?:.*/)?_?optimizer/(?!_trainable_variables/).*|.*/\.OPTIMIZER_SLOT/.*|(?:.*/)?save_counter/.*"
    r"|(?:.*/)?keras_api/metrics/.*",
    re.DOTALL,
)


def full_names(graph: bytes, charge: Callable[[int, int], None]) -> dict[str, str]:
    """Key in the table -> the variable's own name, from a TrackableObjectGraph.

    Args:
        graph: as it is stored.
        charge: the budget's `charge_objects`.

    Raises:
        ValueError: it is not one.
    """
    names: dict[str, str] = {}
    for node in _messages(memoryview(graph), 1):
        for attribute in _messages(node, 2):
            charge(_OF_A_NAME, len(attribute))
            found = last_fields(attribute)
            full, key = (bytes(message(found.get(number))).decode("utf-8") for number in (2, 3))
            names[key] = full
    return names


def variable_names(keys: Iterable[str], full: Mapping[str, str]) -> dict[str, str]:
    """Key -> dotted name of each variable of the model; those of its training are left out.

    A variable goes by its own name where it has one that no other has, else by its path.
    """
    full = {key: name for key, name in full.items() if not _UNNAMED.fullmatch(name)}
    kept = [key for key in keys if not _TRAINING.fullmatch(key)]
    originals = {full[key] for key in kept if key in full and not key.startswith(_COPY)}
    kept = [key for key in kept if not (key.startswith(_COPY) and full.get(key) in originals)]
    counts = Counter(full.get(key) for key in kept)
    return {
        key: _dotted(full[key] if key in full and counts[full[key]] == 1 else _path(key))
        for key in kept
    }


def _path(key: str) -> str:
    """The attributes that lead to the variable, as TensorFlow escapes them within a key."""
    if not key.endswith(_VALUE):
        return key
    return _ESCAPED.sub(lambda found: "/" if found[1] == "S" else ".", key.removesuffix(_VALUE))


def _dotted(name: str) -> str:
    return name.removesuffix(":0").replace("/", ".")


def _messages(raw: memoryview, wanted: int) -> Iterator[memoryview]:
    return (message(value) for number, value in fields(raw) if number == wanted)
