"""Numbers that the published implementations gave, and their loader."""

from parity_tests.golden.loader import GoldenLayer, GoldenTraining, golden_files, load_golden

__all__ = ["GoldenLayer", "GoldenTraining", "golden_files", "load_golden"]
