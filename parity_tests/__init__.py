"""Compares every runtime with a NumPy float64 reference: `python -m parity_tests`."""

from odconv_spec.version import __version__

__all__ = ["__version__"]
