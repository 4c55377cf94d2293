"""Text in the attributes of HDF5 objects, in all no longer than the file: many may share one."""

from __future__ import annotations

import h5py

from weights_converter.errors import legible
from weights_converter.formats.hdf5.file import Hdf5

_MOST_ATTRIBUTES = 1000
_OF_A_TEXT = 4  # objects: it, its name, and their place in a dict


def text_attribute(hdf5: Hdf5, holder: h5py.HLObject, name: str) -> str | None:
    """The attribute if it is one text of any length, as Keras and we write them.

    Arrays of texts may all be the same long one; what has a fixed length is bytes to h5py.
    """
    if name not in holder.attrs:
        return None
    handle = holder.attrs.get_id(name)
    kind = h5py.check_string_dtype(handle.dtype)
    if handle.shape != () or kind is None or kind.length is not None:
        return None
    text = holder.attrs[name]
    if not isinstance(text, str):
        return None
    hdf5.source.budget.charge_objects(_OF_A_TEXT, text=len(name) + len(text))
    return text


def text_attributes(hdf5: Hdf5, holder: h5py.HLObject) -> dict[str, str]:
    """Every attribute that is one piece of text, of the first thousand, in the order of names.

    Raises:
        RefusedError: together they are longer than the file.
    """
    found: dict[str, str] = {}
    room = hdf5.size
    for name in _names(holder):
        text = text_attribute(hdf5, holder, name)
        if text is not None:
            found[name] = text
            room -= len(text)
        if room < 0:
            raise hdf5.source.refused(f"{legible(name)} and others are longer than the file")
    return found


def _names(holder: h5py.HLObject) -> list[str]:
    names: list[bytes] = []

    def enough(name: bytes) -> bool | None:
        names.append(name)
        return True if len(names) == _MOST_ATTRIBUTES else None  # anything but None is the end

    # In any other order the library makes a list of all attributes first.
    h5py.h5a.iterate(holder.id, enough, order=h5py.h5.ITER_NATIVE)
    return sorted(name.decode("utf-8") for name in names)
