"""Notes what a process does that no reader of weights has any business to do."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

WATCHED = (
    "import", "exec", "compile", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "subprocess.Popen", "pickle.find_class", "marshal.", "socket.", "ctypes.", "shutil.", "open",
)  # fmt: skip


class Watch:
    """Within `with`, deeds are noted: all of `WATCHED`, but reading files under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.deeds: list[str] = []
        self._folder, self._on = f"{folder}/", False
        codecs.lookup("latin-1")  # Python loads it when it is first needed
        sys.addaudithook(self._hear)  # which can never be taken away again

    def __enter__(self) -> Watch:
        self._on = True
        return self

    def __exit__(self, *error: object) -> None:
        self._on = False

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._on and event.startswith(WATCHED):
            inside = event == "open" and str(arguments[0]).startswith(self._folder)
            if not inside or set("wxa+") & set(str(arguments[1])):
                self.deeds.append(f"{event} {arguments!r:.200}")


def children() -> set[str]:
    """Processes that this one has started and that still run."""
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(task.read_text().split())
