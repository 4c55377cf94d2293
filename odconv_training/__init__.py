"""What the trainings of all frameworks share: the course, recipes, options, samples and logs.

No framework is imported here. `python -m odconv_F.train` fills in a `Trainer`, and `run` does the
rest.
"""

from odconv_spec.extras import missing

try:
    import PIL  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_training", "'odconv[train]'") from error

from odconv_spec.version import __version__
from odconv_training.batches import (
    batch_indices,
    in_order,
    sample_seed,
    shards,
    share,
    step_seed,
    steps_per_epoch,
)
from odconv_training.checkpoints import BEST, LAST, replacing, start
from odconv_training.classes import fitted, labelled
from odconv_training.command import main
from odconv_training.course import Course, run
from odconv_training.earlier import check_output
from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.log import Log
from odconv_training.options import Options, parse
from odconv_training.processes import Processes, lost, noticing_loss
from odconv_training.progress import Progress
from odconv_training.recipes import DROPOUTS, RECIPES, Recipe
from odconv_training.samples import (
    MEAN,
    STD,
    Samples,
    Source,
    open_source,
    open_validation,
)
from odconv_training.scores import Score
from odconv_training.trainer import Answer, Facts, Step, Trainer

__all__ = [
    "BEST",
    "DROPOUTS",
    "LAST",
    "MEAN",
    "RECIPES",
    "STD",
    "Answer",
    "CorruptImageError",
    "Course",
    "Facts",
    "Log",
    "Options",
    "Processes",
    "Progress",
    "Recipe",
    "Samples",
    "Score",
    "Source",
    "Step",
    "Trainer",
    "TrainingError",
    "__version__",
    "batch_indices",
    "check_output",
    "fitted",
    "in_order",
    "labelled",
    "lost",
    "main",
    "noticing_loss",
    "open_source",
    "open_validation",
    "parse",
    "replacing",
    "run",
    "sample_seed",
    "shards",
    "share",
    "start",
    "step_seed",
    "steps_per_epoch",
]
