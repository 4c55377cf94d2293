"""The version of the distribution, which every package of it has as `__version__`.

A plain text here, because the build reads it without running anything, and because looking it up
among the installed distributions takes longer than the import of a small package.
"""

from typing import Final

__version__: Final = "0.1.0"
"""The version of the distribution, such as "0.1.0"."""
