"""Players: exported files, each in a runtime that takes them.

Every runtime has the same face here, `Exported`, and a row in `table.py`.
"""

from odconv.runtimes.exported import Exported
from odconv.runtimes.opening import is_exported, open_exported, runtime_of

__all__ = ["Exported", "is_exported", "open_exported", "runtime_of"]
