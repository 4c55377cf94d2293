"""What an exported file tells of itself, as texts by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Final

from odconv.exporting.job import Job
from odconv_spec.version import __version__
from weights_converter.errors import UsageError, legible
from weights_converter.identify.class_names import KEY as CLASS_NAMES
from weights_converter.identify.class_names import to_text

VERSION: Final = "odconv.version"
DIGEST: Final = "odconv.digest"
TEMPERATURE: Final = "odconv.temperature"
FORM: Final = "odconv.form"
INPUT: Final = "odconv.input"
JOB: Final = "odconv.job"
_ELSEWHERE: Final = ("metadata", "labels")  # have keys of their own
_CALIBRATED: Final = "calibrated"  # in place of a folder of this machine


def metadata_of(
    job: Job, layout: str, target: Mapping[str, str], digest: str | None, temperature: float | None
) -> dict[str, str]:
    """The texts of a file.

    Args:
        job: what is exported.
        layout: of the images, "NCHW" or "NHWC".
        target: what tells which network it is, see `target_metadata`.
        digest: of the network's arrays, see `digest_of`.
        temperature: of its attentions.

    Returns:
        `odconv.version`, `odconv.form`, `odconv.input`, `odconv.job`, and as far as they are
        known the spec or manifest, `odconv.digest`, `odconv.temperature` and `odconv.class_names`.
    """
    found = {VERSION: __version__, **target, FORM: job.form, INPUT: _input(job, layout)}
    told = replace(job, int8=job.int8 and _CALIBRATED)
    found[JOB] = json.dumps({k: v for k, v in asdict(told).items() if k not in _ELSEWHERE})
    if digest is not None:
        found[DIGEST] = digest
    if temperature is not None:
        found[TEMPERATURE] = repr(temperature)
    return {**found, CLASS_NAMES: to_text(job.labels)} if job.labels else found


def _input(job: Job, layout: str) -> str:
    """What whoever feeds the file has to do: nothing is left of what the graph does itself."""
    mean, std = ((), ()) if job.in_graph else (job.mean, job.std)
    known = {"layout": layout, "channels": job.channels, "size": job.size}
    return json.dumps({**known, "mean": mean or None, "std": std or None})


def job_in(metadata: Mapping[str, str]) -> Job:
    """The job that a file was made by.

    Raises:
        UsageError: the file tells of none, or of one that this version does not know.
    """
    try:
        values = json.loads(metadata[JOB])
        known = {field.name for field in fields(Job)}
        return Job(**{name: _tuples(value) for name, value in values.items() if name in known})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the exported file does not tell how it was made: {legible(str(error))}",
            help="it is of another tool, or of another version of odconv",
        ) from error


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def digest_of(digests: Mapping[str, str]) -> str:
    """One digest of a network, given those of its arrays by canonical name.

    It is the same for all files of the same arrays, whatever their format.
    """
    text = json.dumps(dict(sorted(digests.items())))
    return hashlib.sha256(text.encode()).hexdigest()
