"""Trainings of tiny networks on random images: what the frameworks' `train_helpers` share."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from odconv_spec import from_dict
from odconv_training import RECIPES, Options, Samples, Source


def options_of(network, output, *, recipe=None, spec=None, **values):
    """Two epochs on the digits, with changes of the recipe and of the network."""
    chosen = replace(RECIPES["digits"], batch_size=8, epochs=2, temperature_epochs=1)
    return Options(
        spec=from_dict(network | (spec or {})),
        data="digits",
        recipe=replace(chosen, **(recipe or {})),
        output=output,
        quiet=True,
        **values,
    )


def source(train=44, validation=11, size=(20, 16)):
    """Random images (count, 3, height, width) of ten classes; five batches, the last of twelve."""
    generator = np.random.default_rng(3)
    splits = [
        Samples(
            generator.integers(0, 10, count),
            images=generator.normal(size=(count, 3, *size)).astype(np.float32),
        )
        for count in (train, validation)
    ]
    return Source(tuple("0123456789"), *splits)


def spec_file_of(network, folder, **changes):
    path = folder / "spec.json"
    path.write_text(json.dumps(network | changes), encoding="utf-8")
    return path


def rows(path):
    """A CSV file of a log, its columns by name."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    columns = zip(*(map(float, line.split(",")) for line in lines), strict=True)
    return dict(zip(header.split(","), map(list, columns), strict=True))


def wait_for_steps(path, steps, *processes):
    """Until the log of a training in other processes has so many steps."""
    end = time.monotonic() + 120
    while all(process.poll() is None for process in processes) and time.monotonic() < end:
        if path.exists() and len(path.read_text().splitlines()) > steps:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {steps} steps in {path}")


def child_with(parent, setting):
    """The child of a process that has this `NAME=value` in its environment."""
    for entry in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in entry.read_text().split():
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            if setting.encode() in environment:
                return int(child)
    raise AssertionError(f"{parent} has no child with {setting}")
