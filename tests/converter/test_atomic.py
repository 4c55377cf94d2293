"""What killed processes leave behind, and who may remove it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading

from weights_converter import FileError
from weights_converter.formats.files.atomic import replacing

LEFTOVER = ".x.pth.0123456789abcdef.part"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_leftover_of_the_same_destination_is_removed(tmp_path):
    others = [
        ".y.pth.0123456789abcdef.part",
        ".x.pth.0123.part",
        ".x.pth.0123456789abcdeg.part",
        "x.pth.0123456789abcdef.part",
        ".x.pth.0123456789abcdef.part.old",
    ]
    for name in (LEFTOVER, *others):
        (tmp_path / name).write_bytes(b"x")
    with replacing(tmp_path / "x.pth") as part:
        part.write_bytes(b"new")
    assert names(tmp_path) == sorted([*others, "x.pth"])


def test_a_part_that_is_being_written_is_not(tmp_path):
    with replacing(tmp_path / "x.pth") as first:
        first.write_bytes(b"first")  # opened and closed meanwhile, as writers do
        with replacing(tmp_path / "x.pth") as second:
            assert first.exists() and first != second
            second.write_bytes(b"second")
        first.write_bytes(b"first again")
        (tmp_path / "x.pth").unlink()
    assert names(tmp_path) == ["x.pth"]
    assert (tmp_path / "x.pth").read_bytes() == b"first again"


HOLDS = """
import sys
from pathlib import Path
from weights_converter.formats.files.atomic import replacing
with replacing(Path(sys.argv[1]), overwrite=True) as part:
    part.write_bytes(b"half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_another_process_holds_its_part_until_it_is_killed(tmp_path):
    target = tmp_path / "x.pth"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", HOLDS, str(target)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"ready\n"
        with replacing(target, overwrite=True) as part:
            part.write_bytes(b"new")
        assert len(names(tmp_path)) == 2  # its part, and the destination
        process.kill()
    assert len(names(tmp_path)) == 2
    with replacing(target, overwrite=True) as part:
        part.write_bytes(b"newer")
    assert names(tmp_path) == ["x.pth"] and target.read_bytes() == b"newer"


def test_a_part_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, removed = fcntl.fcntl, []

    def slow(descriptor, command, *arguments):
        if command == fcntl.F_OFD_SETLKW and not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        return lock(descriptor, command, *arguments)

    monkeypatch.setattr(fcntl, "fcntl", slow)
    with replacing(tmp_path / "x.pth") as part:
        assert part.exists() and part != removed[0]
    assert names(tmp_path) == ["x.pth"]


def test_links_with_such_a_name_are_left_alone(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / LEFTOVER).symlink_to(tmp_path / "precious")
    with replacing(tmp_path / "x.pth"):
        pass
    assert names(tmp_path) == sorted([LEFTOVER, "precious", "x.pth"])


def test_many_writers_and_leftovers(tmp_path):
    errors = []

    def work(seed):
        try:
            for i in range(30):
                (tmp_path / f".x.{seed:08x}{i:08x}.part").write_bytes(b"left")
                with replacing(tmp_path / "x", overwrite=True) as part:
                    part.write_bytes(bytes([seed]) * 1000)
        except FileError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set((tmp_path / "x").read_bytes())) == 1
    with replacing(tmp_path / "x", overwrite=True):
        pass
    assert names(tmp_path) == ["x"]
