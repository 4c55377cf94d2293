"""Reads every file of a folder in a process that watches itself; run by test_hostile_isolated.

Prints one JSON object: what became of each file, and what the process did meanwhile.
"""

from __future__ import annotations

import codecs
import json
import resource
import sys
import time
from pathlib import Path

from weights_converter.errors import ConverterError
from weights_converter.formats import read

codecs.lookup("latin-1")  # Python loads it when it is first needed
WATCHED = ("import", "exec", "compile", "os.system", "os.exec", "os.fork", "os.posix_spawn",
           "subprocess.Popen", "pickle.find_class", "socket.", "ctypes.", "open")  # fmt: skip


def main(folder: Path) -> None:
    deeds: list[str] = []
    outcomes: dict[str, list[object]] = {}
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(WATCHED):
            inside = event == "open" and str(arguments[0]).startswith(f"{folder}/")
            if not inside or "w" in str(arguments[1]):
                deeds.append(f"{event} {arguments!r:.200}")

    paths = sorted(folder.iterdir())
    sys.addaudithook(watch)
    for path in paths:
        start = time.monotonic()
        outcomes[path.name] = [attempt(path), time.monotonic() - start]
    watching = False
    # Not getrusage: its maximum starts at the size of the process that forked this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) >> 10  # MiB
    modules = sorted({"torch", "paddle", "keras", "tensorflow", "jax"} & set(sys.modules))
    json.dump({"outcomes": outcomes, "deeds": deeds, "peak": peak, "modules": modules}, sys.stdout)


def attempt(path: Path) -> str:
    try:
        for tensor in read(path).tensors.values():
            tensor.load()
    except ConverterError as error:
        return type(error).__name__
    return "read"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    main(Path(sys.argv[1]))
