"""What the command lines of trainings have in common."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import fields, replace
from math import inf, nan
from pathlib import Path
from typing import Any, TypeVar

from odconv_spec import BackboneSpec, from_json, model_spec
from odconv_spec.feature_maps import stage_to_freeze
from odconv_spec.schedule import SOFTEN, annealing_of
from odconv_training.errors import TrainingError
from odconv_training.recipes import SCHEDULES, Recipe

PRECISIONS = ("float32", "float64", "bfloat16", "float16")
R = TypeVar("R", bound=Recipe)
Adder = Callable[..., Any]  # `add_argument` of a parser, or of a group of it


def add_network(parser: ArgumentParser, title: str) -> Adder:
    """The options that say which network, in a group to which others may be added."""
    add = parser.add_argument_group(title).add_argument
    add("--model", metavar="NAME", help="such as od_resnet18; `odconv models` lists them")
    add(
        "--option",
        type=pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the model, such as kernel_num=4 or num_classes=5; may be repeated",
    )
    add("--spec", type=Path, metavar="FILE.json", help="a network of your own, as odconv_spec's")
    return add


def add_recipe(parser: ArgumentParser) -> Adder:
    """The options that replace values of a recipe, in a group to which others may be added."""
    add = parser.add_argument_group("recipe").add_argument
    for name in ("epochs", "batch-size", "step-epochs"):
        add(f"--{name}", type=positive, metavar="N")
    for name in ("lr", "momentum", "weight-decay"):
        add(f"--{name}", type=float, metavar="X")
    for name in ("temperature-start", "temperature-end", "temperature-epochs"):
        add(f"--{name}", type=float, metavar="X")
    add("--schedule", choices=SCHEDULES, help="of the learning rate")
    add(
        "--milestones",
        type=natural,
        nargs="+",
        metavar="EPOCH",
        help="at whose beginning the rate is divided by 10, with --schedule step",
    )
    add("--warmup-steps", type=natural, metavar="N", help="over which the rate rises")
    add("--clip-norm", type=length, metavar="X", help="the longest gradient, over all arrays")
    add(
        "--freeze-stages",
        type=natural,
        metavar="N",
        help="train nothing that leads to the model's feature_info[N]; 0 is the stem",
    )
    # None, which is laid over nothing, where it is not given.
    add(
        "--freeze-norms",
        action="store_const",
        const=True,
        help="keep the statistics of all batch norms",
    )
    add("--precision", choices=PRECISIONS, default="float32", help="the last two: mixed")
    add("--seed", type=natural, default=0)
    return add


def add_run(parser: ArgumentParser, output: str = "runs/MODEL") -> Adder:
    """Where a run is written, by default in `output`, and how far it goes."""
    run = parser.add_argument_group("run")
    add = run.add_argument
    add("--output", type=Path, metavar="FOLDER", help=f"default: {output}")
    either = run.add_mutually_exclusive_group().add_argument
    either("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    either("--overwrite", action="store_true", help="replace the run that the folder holds")
    add("--steps", type=positive, metavar="N", help="stop after N steps in all")
    add("--checkpoint-steps", type=positive, metavar="N", help="also save every N steps")
    add("--quiet", action="store_true", help="show errors only")
    add("--traceback", action="store_true", help="show where a bug in odconv has struck")
    return add


def add_machine(parser: ArgumentParser, workers: str = "2, digits 0") -> None:
    """What computes, by default with so many `workers`."""
    add = parser.add_argument_group("machine").add_argument
    add("--device", help="default: a GPU if there is one")
    add("--workers", type=natural, metavar="N", help=f"that load images (default: {workers})")
    add("--sync-norm", action="store_true", help="batch statistics over all processes")


def pair(text: str) -> tuple[str, Any]:
    """The value is JSON where it can be read as such, else text."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ArgumentTypeError(f"expected KEY=VALUE, received {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def natural(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"expected a whole number from 0, received {text!r}")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    number = natural(text)
    if number == 0:
        raise ArgumentTypeError("expected a whole number from 1, received 0")
    return number


def length(text: str) -> float:
    """A positive number."""
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 < number < inf:
        raise ArgumentTypeError(f"expected a positive number, received {text!r}")
    return number


def network(name: str, **options: Any) -> BackboneSpec:
    """The spec of a model by name; TrainingError for what odconv_spec refuses."""
    try:
        return model_spec(name, **options)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def read_spec(path: Path) -> BackboneSpec:
    """The spec of a file; TrainingError where it holds none."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"expected a network's spec in {path}, received: {error}") from error


def laid_over(recipe: R, found: Namespace) -> R:
    """The recipe with the values of a command line, where it has some, in place of its own.

    Raises:
        TrainingError: a value is out of range, or `--milestones` would not count beside others.
    """
    values = {f.name: getattr(found, f.name, None) for f in fields(Recipe)}
    given = {name: value for name, value in values.items() if value is not None}
    if "milestones" in given:
        given["milestones"] = tuple(given["milestones"])
        _check_milestones(given.get("schedule", recipe.schedule), "step_epochs" in given)
    elif "step_epochs" in given:
        given["milestones"] = None  # the recipe's would hide it
    return replace(recipe, **given)


def _check_milestones(schedule: str, step_epochs: bool) -> None:
    if step_epochs:
        raise TrainingError("expected --milestones or --step-epochs, received both")
    if schedule != "step":
        raise TrainingError(
            f"--milestones: expected the schedule 'step', received {schedule!r}; add "
            "--schedule step"
        )


def as_published(recipe: R, spec: BackboneSpec) -> R:
    """The recipe with the annealing of the kind of convolution, which recipes have from ODConv."""
    kind = annealing_of(spec.parameters())
    if kind == SOFTEN:
        return recipe
    epochs = (
        kind.epochs if recipe.temperature_epochs == SOFTEN.epochs else recipe.temperature_epochs
    )
    return replace(
        recipe, temperature_start=kind.start, temperature_end=kind.end, temperature_epochs=epochs
    )


def check_stage(stage: int | None, spec: BackboneSpec) -> None:
    """TrainingError where a network has no such stage to freeze."""
    try:
        stage_to_freeze(spec.feature_info(), stage)
    except ValueError as error:
        raise TrainingError(str(error)) from error
