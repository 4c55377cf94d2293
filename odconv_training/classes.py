"""The classes of the data and the outputs of a network: which output is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odconv_training.errors import TrainingError
from odconv_training.options import Options
from odconv_training.samples import Source

_SHOWN = 6


def fitted(options: Options, source: Source) -> Options:
    """The options with the classes of the data, and as many outputs where nobody has told.

    Args:
        options: of the command.
        source: the data.

    Returns:
        Options whose network has an output for each class, in the order of `class_names`.

    Raises:
        TrainingError: the network was told to have another number of outputs.

    Example:
        >>> from odconv_training import open_source, parse
        >>> chosen = fitted(parse(["--model", "od_resnet18"], "torch"), open_source("digits"))
        >>> chosen.spec.num_classes, chosen.class_names[:3]
        (10, ('0', '1', '2'))
    """
    count, spec = len(source.classes), options.spec
    if options.classes_from_data:
        spec = replace(spec, num_classes=count)
    elif spec.num_classes != count:
        raise TrainingError(
            f"expected a network with {count} outputs, one for each class in {options.data} "
            f"({listed(source.classes)}), received {spec.name}, which was told to have "
            f"{spec.num_classes}; leave num_classes out, or make it {count}"
        )
    return replace(options, spec=spec, class_names=source.classes)


def labelled(source: Source, network: str, outputs: int, names: Sequence[str]) -> Source:
    """The data with the labels of a network that was trained before.

    Args:
        source: the data, which may have some of the network's classes only.
        network: its name.
        outputs: how many it has.
        names: of its classes in the order of its outputs; none where they are not known, and the
            classes of the data are then its first outputs.

    Returns:
        Data whose labels are outputs of the network, and whose classes are all of its names.

    Raises:
        TrainingError: the data have a class that the network does not have.

    Example:
        >>> from odconv_training import Samples
        >>> photos = Source(("bee",), Samples(np.array([0])), Samples(np.array([0, 0])))
        >>> found = labelled(photos, "resnet18", 2, ("ant", "bee"))
        >>> found.classes, found.validation.labels.tolist()
        (('ant', 'bee'), [1, 1])
    """
    if not names:
        _check_count(source, network, outputs)
        return source
    strange = [name for name in source.classes if name not in names]
    if strange:
        raise TrainingError(
            f"expected data with classes of the checkpoint ({listed(names)}), received "
            f"{len(strange)} others: {listed(strange)}"
        )
    places = np.array([names.index(name) for name in source.classes], np.int64)  # (classes,)
    train, validation = (
        replace(split, labels=places[split.labels]) for split in (source.train, source.validation)
    )
    return Source(tuple(names), train, validation)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _check_count(source: Source, network: str, outputs: int) -> None:
    if len(source.classes) > outputs:
        raise TrainingError(
            f"expected a network with at least {len(source.classes)} outputs, one for each class, "
            f"received {network} with {outputs}"
        )
