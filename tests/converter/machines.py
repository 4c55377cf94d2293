"""The pickle machine on bytes of a test."""

from __future__ import annotations

from pathlib import Path

from tests.converter.crafted import written
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.calls import PADDLE
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.stream import Stream


def run(folder: Path, content: bytes) -> object:
    source = Source.at(written(folder, "x.pdparams", content))
    with source.open() as handle:
        return Machine(Stream(source, handle, 0, source.size), PADDLE).run()
