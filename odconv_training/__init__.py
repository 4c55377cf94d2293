"""What the trainings of all frameworks share: recipes, options, samples, batches, scores and logs.

No framework is imported here; `python -m odconv_torch.train`, `odconv_paddle.train` and
`odconv_keras.train` are built on it.
"""

from odconv_spec.extras import missing

try:
    import PIL  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_training", "'odconv[train]'") from error

from odconv_training.batches import (
    batch_indices,
    sample_seed,
    shards,
    share,
    step_seed,
    steps_per_epoch,
)
from odconv_training.checkpoints import BEST, LAST, Progress, replacing, start
from odconv_training.command import main
from odconv_training.earlier import check_output
from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.log import Log
from odconv_training.options import Options, parse
from odconv_training.recipes import DROPOUTS, RECIPES, Recipe
from odconv_training.samples import (
    MEAN,
    STD,
    Samples,
    Source,
    check_classes,
    open_source,
    open_validation,
)
from odconv_training.scores import Score

__all__ = [
    "BEST",
    "DROPOUTS",
    "LAST",
    "MEAN",
    "RECIPES",
    "STD",
    "CorruptImageError",
    "Log",
    "Options",
    "Progress",
    "Recipe",
    "Samples",
    "Score",
    "Source",
    "TrainingError",
    "batch_indices",
    "check_classes",
    "check_output",
    "main",
    "open_source",
    "open_validation",
    "parse",
    "replacing",
    "sample_seed",
    "shards",
    "share",
    "start",
    "step_seed",
    "steps_per_epoch",
]
