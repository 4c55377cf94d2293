"""What the command lines of trainings have in common."""

from __future__ import annotations

import json
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from math import inf, nan
from pathlib import Path
from typing import Any, Final, TypeVar

from odconv_spec import BackboneSpec, from_json, model_spec
from odconv_spec.feature_maps import stage_to_freeze
from odconv_spec.schedule import SOFTEN, annealing_of
from odconv_training.errors import TrainingError
from odconv_training.recipes import SCHEDULES, Recipe

PRECISIONS = ("float32", "float64", "bfloat16", "float16")
_WHOLE_NUMBERS: Final[Mapping[str, str]] = {
    "epochs": "length of the training",
    "batch-size": "number of images in a step, over all processes",
    "step-epochs": "epochs after which --schedule step divides the rate by 10, again and again",
}
_NUMBERS: Final[Mapping[str, str]] = {
    "lr": "learning rate",
    "momentum": "momentum of the optimizer",
    "weight-decay": "decay of the weights in each step",
    "temperature-start": "temperature of the attentions at the start",
    "temperature-end": "temperature of the attentions at the end",
    "temperature-epochs": "epochs in which the temperature falls; 0 for no annealing",
}
_EXIT_CODES: Final = """exit codes:
  0    done
  2    wrong options, data or checkpoint, a folder that holds a run, or a missing package
  5    file system error, or not enough memory
  70   a bug in odconv; --traceback shows where
  130  interrupted"""
R = TypeVar("R", bound=Recipe)
Adder = Callable[..., Any]  # `add_argument` of a parser, or of a group of it


def parser_with(
    prog: str, description: str, *examples: str, usage: str = "[options]"
) -> ArgumentParser:
    """A parser whose help ends with examples, given without `prog`, and the exit codes."""
    lines = "\n".join(f"  {prog} {example}".rstrip() for example in examples)
    return ArgumentParser(
        prog=prog,
        usage=f"{prog} {usage}",
        description=description,
        epilog=f"examples:\n{lines}\n\n{_EXIT_CODES}",
        formatter_class=RawDescriptionHelpFormatter,
    )


def add_network(parser: ArgumentParser, title: str) -> Adder:
    """The options that say which network, in a group to which others may be added."""
    add = parser.add_argument_group(title).add_argument
    add(
        "--model",
        metavar="NAME",
        help="name of a network, such as od_resnet18; `odconv models` lists them",
    )
    add(
        "--option",
        type=pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option of the model, such as kernel_num=4 or num_classes=5; may be repeated",
    )
    add(
        "--spec",
        type=Path,
        metavar="FILE.json",
        help="file with the spec of a network of your own, see odconv_spec.to_json",
    )
    return add


def add_recipe(parser: ArgumentParser) -> Adder:
    """The options that replace values of a recipe, in a group to which others may be added."""
    add = parser.add_argument_group("recipe").add_argument
    for name, meaning in _WHOLE_NUMBERS.items():
        add(f"--{name}", type=positive, metavar="N", help=meaning)
    for name, meaning in _NUMBERS.items():
        add(f"--{name}", type=float, metavar="X", help=meaning)
    add("--schedule", choices=SCHEDULES, help="how the learning rate falls")
    add(
        "--milestones",
        type=natural,
        nargs="+",
        metavar="EPOCH",
        help="epochs at whose start the rate is divided by 10, with --schedule step",
    )
    add(
        "--warmup-steps",
        type=natural,
        metavar="N",
        help="number of steps in which the rate rises to its value",
    )
    add(
        "--clip-norm",
        type=length,
        metavar="X",
        help="largest norm of the gradient of all arrays; a larger one is scaled down",
    )
    add(
        "--freeze-stages",
        type=natural,
        metavar="N",
        help="freeze all that leads to the model's feature_info[N]; 0 is the stem",
    )
    # None, which is laid over nothing, where it is not given.
    add(
        "--freeze-norms",
        action="store_const",
        const=True,
        help="do not change the statistics of batch norms",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="dtype; bfloat16 and float16 mean mixed precision",
    )
    add("--seed", type=natural, default=0, help="seed of all that is random (default: 0)")
    return add


def add_run(parser: ArgumentParser, output: str = "runs/MODEL") -> Adder:
    """Where a run is written, by default in `output`, and how far it goes."""
    run = parser.add_argument_group("run")
    add = run.add_argument
    add("--output", type=Path, metavar="FOLDER", help=f"folder of the run (default: {output})")
    either = run.add_mutually_exclusive_group().add_argument
    either(
        "--resume", action="store_true", help="continue from the last checkpoint, if there is one"
    )
    either("--overwrite", action="store_true", help="replace the run that the folder holds")
    add(
        "--steps",
        type=positive,
        metavar="N",
        help="stop after N steps, those before a --resume included",
    )
    add("--checkpoint-steps", type=positive, metavar="N", help="also save every N steps")
    add("--quiet", action="store_true", help="print errors only")
    add("--traceback", action="store_true", help="show where a bug in odconv occurred")
    return add


def add_machine(parser: ArgumentParser, workers: str = "2, digits 0") -> None:
    """What computes, by default with so many `workers`."""
    add = parser.add_argument_group("machine").add_argument
    add("--device", help="device to train on, such as cpu (default: a GPU if there is one)")
    add(
        "--workers",
        type=natural,
        metavar="N",
        help=f"number of processes that load images (default: {workers})",
    )
    add(
        "--sync-norm",
        action="store_true",
        help="batch norms take their statistics over all processes",
    )


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
