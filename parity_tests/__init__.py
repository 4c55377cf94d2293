"""Compares every runtime with a NumPy float64 reference: `python -m parity_tests`."""
