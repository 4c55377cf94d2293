"""An extension of Griffe, which reads the docstrings: it knows `Examples:` alone as a section."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_SECTION = re.compile(r"^Example:$", re.MULTILINE)


class ExamplesSection(Extension):
    """Renames the section `Example:` of every docstring, so that it is shown as code."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each object of a package, once it is read."""
        if obj.docstring:
            obj.docstring.value = _SECTION.sub("Examples:", obj.docstring.value)
