"""Text in the attributes of HDF5 objects, measured before it is read."""

from __future__ import annotations

import h5py

_MOST_ATTRIBUTES = 1000


def text_attribute(holder: h5py.HLObject, name: str) -> str | None:
    """The attribute if it is one piece of text. Arrays of texts may all be the same long one."""
    if name not in holder.attrs:
        return None
    handle = holder.attrs.get_id(name)
    if handle.shape != () or h5py.check_string_dtype(handle.dtype) is None:
        return None
    text = holder.attrs[name]
    return text if isinstance(text, str) else None


def text_attributes(holder: h5py.HLObject) -> dict[str, str]:
    """Every attribute that is one piece of text, of the first thousand."""
    names = [name for _, name in zip(range(_MOST_ATTRIBUTES), holder.attrs, strict=False)]
    texts = ((name, text_attribute(holder, name)) for name in names)
    return {name: text for name, text in texts if text is not None}
