"""The layers and networks in NumPy float64, written like the papers' equations."""

from parity_tests.reference.arrays import random_arrays
from parity_tests.reference.evaluation import Run, evaluate, features
from parity_tests.reference.training import Training, train

__all__ = ["Run", "Training", "evaluate", "features", "random_arrays", "train"]
