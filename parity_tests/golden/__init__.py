"""Numbers that the published implementations gave, and their loader."""

from parity_tests.golden.loader import GoldenLayer, GoldenTraining, load_odconv, odconv_files

__all__ = ["GoldenLayer", "GoldenTraining", "load_odconv", "odconv_files"]
