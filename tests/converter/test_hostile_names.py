"""Names by the thousand that are made to take long: twice as many take twice as much work.

Work is counted in calls, those of built-in methods such as `startswith` among them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.quick import quick_rows
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import ConverterError, MismatchError, RefusedError
from weights_converter.formats import read, write
from weights_converter.identify.backbones import infer_spec
from weights_converter.names.dialects import translated
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import TORCH
from weights_converter.names.mismatch import Form, check

ZERO = np.zeros((), "float32")


class Work:
    """How many calls the block has made."""

    calls = 0


@contextmanager
def counted() -> Iterator[Work]:
    work = Work()

    def hear(frame: object, event: str, argument: object) -> None:
        work.calls += event in ("call", "c_call")

    sys.setprofile(hear)
    try:
        yield work
    finally:
        sys.setprofile(None)


def checkpoint(shapes: dict[str, tuple[int, ...]]) -> Checkpoint:
    tensors = {name: Tensor(name, "F32", shape, ZERO.copy) for name, shape in shapes.items()}
    return Checkpoint(Path("evil.pth"), "torch", "torch", tensors)


def of(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, ())


def widths(count: int) -> dict[str, tuple[int, ...]]:
    """Attentions whose hidden widths no ratio explains, each with a ratio of its own."""
    found = {}
    for i in range(count):
        found[f"l{i}.weight"] = (1, 8, 8, 3, 3)
        found[f"l{i}.attention.fc.weight"] = (1000 + i // 16, 16_000 + i, 1, 1)
    return found


FAMILIES: dict[str, Callable[[int], dict[str, tuple[int, ...]]]] = {
    "averages": lambda n: of(f"a{i}.steps" for i in range(n)),
    "averages of modules": lambda n: of(
        name for i in range(n // 2) for name in (f"a{i}.n_averaged", f"a{i}.module.x")
    ),
    "prefixes": lambda n: of(f"{'model.' * 90}{i}" for i in range(n)),
    "wrappers": lambda n: of(f"{'module._orig_mod.' * 49}{i}" for i in range(n)),
    "layers": lambda n: of(
        ["layer1.0.bn1.weight", *(f"layer{i}.{j}.x" for i in range(n // 8) for j in range(8))]
    ),
    "blocks": lambda n: of(["layer1.0.bn1.weight", *(f"layer1.{i}.x" for i in range(n))]),
    "blocks of MobileNetV2": lambda n: of(f"features.{i}.conv.0.1.weight" for i in range(n)),
    "deep below a router": lambda n: of(
        ["b.routing.weight", *(f"{'a.' * 90}{i}.weight" for i in range(n))]
    ),
    "attentions in attentions": lambda n: of(f"{'attention.' * 90}{i}" for i in range(n)),
    "widths": widths,
    "no attention": lambda n: of(f"{'channel_att.' * 80}{i}" for i in range(n)),
    "routes": lambda n: of(f"{'route.fc.' * 45}{i}.weight" for i in range(n)),
    "quantised": lambda n: of(f"{'weight_fake_quant.' * 40}{i}_u" for i in range(n)),
    "weight norms": lambda n: of(f"a{i}.weight_g" for i in range(n)),
}  # fmt: skip


def identified(shapes: dict[str, tuple[int, ...]], targets: tuple[str, ...]) -> None:
    try:
        found = translated(checkpoint(shapes), targets or None)
        stored = {name: tensor.shape for name, tensor in found.tensors.items()}
        infer_spec({p.name: p.shape for p in canonical_parameters(stored, TORCH).values()})
    except ConverterError as error:
        assert len(str(error)) < 4000


OWN = {"prefixes", "wrappers", "deep below a router"}  # each time


@pytest.mark.parametrize(
    ("family", "own"),
    quick_rows(
        {*((family, False) for family in FAMILIES), *((family, True) for family in OWN)},
        product(FAMILIES, (False, True)),
    ),
)
def test_work_is_linear(family, own):
    """Of a model that has names of its own, too, whose parts are called as wrappers are."""
    work = []
    for count in (200, 800):
        targets = [f"module.{'module.' * (i % 40)}b{i}.weight" for i in range(count)] if own else ()
        with counted() as calls:
            identified(FAMILIES[family](count), tuple(targets))
        work.append(calls.calls)
    assert work[1] < 5 * work[0] + 20_000
    assert work[1] < 800 * 3000


def test_a_message_compares_what_it_shows():
    """Of 1,000 foreign names against 2,000 of the model twelve are shown."""
    expected = {f"{'a' * 1000}{i:05}": Form(()) for i in range(2000)}
    found = {f"{'a' * 1000}b{i:05}": Form(()) for i in range(1000)}
    with counted() as work, pytest.raises(MismatchError) as error:
        check(expected, found)
    assert str(error.value).count("\n") == 2 * 13
    assert work.calls < 12 * 2000 * 15


def test_many_missing_names_are_not_compared():
    expected = {f"a{i}": Form(()) for i in range(50_000)}
    with counted() as work, pytest.raises(MismatchError, match="50000 missing, 1 unexpected"):
        check(expected, {"b": Form(())})
    assert work.calls < 1000


def test_too_much_text():
    names = [f"{'a' * 1000}{i}" for i in range(4190)]
    with pytest.raises(RefusedError, match="its 4190 names have 4205650 characters"):
        translated(checkpoint(of(names)))


def test_many_doubles_are_counted():
    names = [f"{start}x{i}" for start in ("", "module.") for i in range(500)]
    found = translated(checkpoint(of(names)))
    assert len(found.tensors) == 500
    assert [note for note in found.notes if "more" in note] == ["and 492 more arrays twice"]
    assert len(found.notes) < 12


@pytest.mark.parametrize("format", ["safetensors", "npz", "torch", "pdparams"])
@pytest.mark.parametrize("separator", [".", "/"])
def test_names_of_too_many_parts(tmp_path, format, separator):
    for parts, refused in ((100, False), (101, True)):
        name = separator.join(["a"] * parts)
        write(tmp_path / "x", format, [Tensor.of(name, ZERO)], {}, overwrite=True)
        if refused:
            with pytest.raises(RefusedError, match="a name of more than 100 parts"):
                read(tmp_path / "x")
        else:
            assert list(read(tmp_path / "x").tensors) == [name]
