"""What a user may ask of an export, and whether the network and the target have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from odconv.exporting.job import Job
from odconv.exporting.targets import OF_A_FIXED_BATCH, TARGETS, Target
from odconv_spec.feature_maps import FeatureInfo, feature_indices
from weights_converter.errors import UsageError

TOLERANCE = 1e-5
HALF_TOLERANCE = 2e-2
SIZE = (224, 224)
GRAPH, METADATA = "graph", "metadata"


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export, those of the command by the same names.

    Attributes:
        form: "compact", "portable", "single" or "folded"; by default what the target takes
            fastest, in integers "portable".
        batch: images in a batch; any number by default.
        size: height and width of the images, or one number for both; by default what the checkpoint
            tells, 224 where it tells nothing.
        dynamic_size: whether the file takes images of any size.
        opset: of an ONNX file.
        features: maps in place of logits: True for those of strides 4 to 32, or as `out_indices` of
            `odconv_torch.Features`.
        half: stores the arrays in half precision.
        int8: computes in integers.
        calibrate: a folder with images, by which the ranges of the integers are measured.
        fuse: folds batch norms into the convolutions before them.
        softmax: gives probabilities in place of logits.
        labels: names of the classes; by default those of the checkpoint.
        mean: of each channel, or one for all; by default what the checkpoint tells.
        std: likewise, by which the images are divided.
        mean_std: "graph" to normalise images in the file, "metadata" to say how.
        tolerance: largest relative difference; 1e-5 by default, 0.02 in half precision.

    Example:
        >>> options = {"size": 32, "batch": 1, "softmax": True}
        >>> ExportOptions(**options).form is None
        True
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> export(checkpoint, "softmax.onnx", **options).proof.equal
        True
    """

    form: str | None = None
    batch: int | None = None
    size: int | tuple[int, int] | None = None
    dynamic_size: bool = False
    opset: int | None = None
    features: bool | int | Sequence[int] | None = None
    half: bool = False
    int8: bool = False
    calibrate: str | None = None
    fuse: bool = True
    softmax: bool = False
    labels: Sequence[str] | None = None
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    mean_std: str = METADATA
    tolerance: float | None = None


class Known(NamedTuple):
    """What is known of a network.

    Attributes:
        channels: of its images.
        classes: how many it gives; 0 for none, None where that is not known.
        maps: that it can give; none where that is not known.
        size: of its images.
        mean: of their channels.
        std: of their channels.
        labels: names of its classes.
    """

    channels: int
    classes: int | None = None
    maps: tuple[FeatureInfo, ...] = ()
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


def job_of(options: ExportOptions, target: Target, known: Known) -> Job:
    """The job that the options ask for.

    Raises:
        UsageError: the target or the network lacks something, two options contradict each other, or
            there are no images to calibrate by.
    """
    form = options.form or target.default_form(options.int8, options.batch)[0]
    mean = _channels("mean", options.mean, known.mean, known.channels)
    std = _channels("std", options.std, known.std, known.channels)
    job = Job(
        form=form,
        channels=known.channels,
        size=_size(options, known),
        dynamic_size=options.dynamic_size,
        batch=1 if form in OF_A_FIXED_BATCH and options.batch is None else options.batch,
        opset=options.opset,
        features=_features(options, known),
        half=options.half,
        int8=options.calibrate if options.int8 else None,
        fuse=options.fuse,
        softmax=options.softmax,
        labels=tuple(known.labels if options.labels is None else options.labels),
        mean=mean,
        std=std,
        in_graph=options.mean_std == GRAPH,
        tolerance=_tolerance(options),
    )
    _check_integers(options)
    _check_target(options, job, target)
    _check_head(job, known)
    _check_images(options, job)
    if job.int8 is not None:
        from odconv.exporting.calibration import check_calibration

        check_calibration(job.int8, job)
    return job


def _check_target(options: ExportOptions, job: Job, target: Target) -> None:
    if job.form not in target.forms:
        raise UsageError(
            f"form: expected one of {', '.join(target.forms)} for {target.name}, received "
            f"{job.form!r}"
        )
    if job.batch is not None and job.batch < 1:
        raise UsageError(f"batch: expected a number from 1, received {job.batch}")
    if options.opset is not None and target.name != "onnx":
        raise UsageError(
            f"opset: expected a destination that ends in .onnx, received one of {target.name}"
        )
    if job.features is not None and not target.several:
        raise UsageError(
            f"features: expected a format with several outputs, received {target.name}"
        )
    for name, has in (("half", target.half), ("int8", target.int8)):
        if getattr(options, name) and not has:
            able = ", ".join(row.name for row in TARGETS if getattr(row, name))
            raise UsageError(f"{name}: expected a file of {able}, received one of {target.name}")


def _check_integers(options: ExportOptions) -> None:
    if options.int8 and options.calibrate is None:
        raise UsageError(
            "int8: expected images by which the ranges are measured, received none",
            help="give some hundreds: --calibrate FOLDER",
        )
    if options.calibrate is not None and not options.int8:
        raise UsageError("calibrate: expected --int8 beside it, received none", help="add --int8")
    if options.int8 and options.half:
        raise UsageError("expected int8 or half, received both")


def _check_head(job: Job, known: Known) -> None:
    if job.features is not None and (job.softmax or (job.labels and known.labels != job.labels)):
        raise UsageError(
            "features: maps have no classes: expected neither softmax nor labels beside it"
        )
    if job.softmax and known.classes == 0:
        raise UsageError("softmax: the network has no classes")
    if job.labels and known.classes is not None and len(job.labels) != known.classes:
        raise UsageError(
            f"labels: expected {known.classes} names, one for each class, received "
            f"{len(job.labels)}"
        )


def _check_images(options: ExportOptions, job: Job) -> None:
    if options.mean_std not in (GRAPH, METADATA):
        raise UsageError(f"mean_std: expected 'graph' or 'metadata', received {options.mean_std!r}")
    if job.in_graph and not (job.mean or job.std):
        raise UsageError(
            "mean_std: the checkpoint does not tell how its images are normalised",
            help="say it: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        )
    if not all(map(isfinite, (*job.mean, *job.std))) or not all(std > 0 for std in job.std):
        raise UsageError(
            "expected finite means and positive std, received "
            f"{job.mean or 'no mean'}, {job.std or 'no std'}"
        )


def _size(options: ExportOptions, known: Known) -> tuple[int, int]:
    asked = options.size
    size = (asked, asked) if isinstance(asked, int) else asked or known.size or SIZE
    stride = known.maps[-1].stride if known.maps else 1
    if min(size) < 1 or any(length % stride for length in size):
        raise UsageError(
            f"size: expected multiples of {stride}, the stride of the last map, received "
            f"{size[0]}x{size[1]}",
            help=f"runtimes round other sizes each in its own way; ask for {_near(size, stride)}",
        )
    return size


def _near(size: tuple[int, int], stride: int) -> str:
    """The option with the next larger size that the stride divides."""
    height, width = (max(1, -(-length // stride)) * stride for length in size)
    return f"--size {height}x{width}"


def _features(options: ExportOptions, known: Known) -> tuple[int, ...] | None:
    """Numbers of the maps, None for logits."""
    if options.features is None or options.features is False:
        return None
    if not known.maps:
        raise UsageError("features: only whole networks of odconv tell of their maps")
    indices = None if options.features is True else options.features
    try:
        return feature_indices(known.maps, indices, first=1)
    except ValueError as error:
        raise UsageError(str(error).replace("out_indices", "features", 1)) from error


def _channels(
    name: str, asked: float | Sequence[float] | None, known: tuple[float, ...], channels: int
) -> tuple[float, ...]:
    """A number for each channel, none where nothing is known."""
    if asked is None:
        return known
    numbers = tuple(asked) if isinstance(asked, Sequence) else (asked,)
    if len(numbers) not in (1, channels):
        raise UsageError(f"{name}: expected 1 or {channels} numbers, received {len(numbers)}")
    return tuple(map(float, numbers if len(numbers) == channels else numbers * channels))


def _tolerance(options: ExportOptions) -> float:
    if options.tolerance is None:
        return HALF_TOLERANCE if options.half else TOLERANCE
    if not 0 <= options.tolerance < float("inf"):
        raise UsageError(f"tolerance: expected a number from 0, received {options.tolerance}")
    return options.tolerance
